/** The camera and the microphone together: one question to the user where one is enough. */
import type { Scope } from '../observable/scope';
import { canUseDevices } from './device-problem';
import { LocalDevice } from './local-device';
import type { DeviceChoice, DeviceKind } from './types';

const BROWSER_KINDS: Record<DeviceKind, MediaDeviceKind> = {
  camera: 'videoinput',
  microphone: 'audioinput',
};

export class LocalDevices {
  readonly camera = new LocalDevice('camera');
  readonly microphone = new LocalDevice('microphone');

  constructor(scope: Scope) {
    scope.onEnd(() => this.stop());
    if (canUseDevices())
      scope.listen(navigator.mediaDevices, 'devicechange', () => void this.refresh());
  }

  /** Asks for both at once; when that fails, for each alone, so that one of them may still work. */
  async startAll(): Promise<void> {
    if (!canUseDevices()) {
      this.failAll(new Error('no media devices'));
      return;
    }
    this.camera.markStarting();
    this.microphone.markStarting();
    try {
      const { camera, microphone } = this;
      const stream = await navigator.mediaDevices.getUserMedia({
        video: camera.constraints(),
        audio: microphone.constraints(),
      });
      for (const track of stream.getTracks())
        (track.kind === 'video' ? camera : microphone).adopt(track);
    } catch {
      await this.startEach();
    }
    await this.refresh();
  }

  stop(): void {
    this.camera.stop();
    this.microphone.stop();
  }

  private async startEach(): Promise<void> {
    this.camera.stop();
    this.microphone.stop();
    await this.microphone.start();
    await this.camera.start();
  }

  private async refresh(): Promise<void> {
    const all = await navigator.mediaDevices.enumerateDevices().catch(() => []);
    for (const device of [this.camera, this.microphone])
      device.handleDevices(choicesOf(all, BROWSER_KINDS[device.kind]));
  }

  private failAll(error: unknown): void {
    this.camera.fail(error);
    this.microphone.fail(error);
  }
}

function choicesOf(all: readonly MediaDeviceInfo[], kind: MediaDeviceKind): DeviceChoice[] {
  return all
    .filter((device) => device.kind === kind && device.deviceId !== '')
    .map((device) => ({ id: device.deviceId, label: device.label }));
}
