/**
 * One camera or one microphone of this computer: asked for, chosen, lost, found again. It owns the
 * MediaStreamTrack; what publishes or shows it only borrows it.
 */
import { createValue, type Observable } from '../observable/observable';
import { deviceProblemOf } from './device-problem';
import type { DeviceChoice, DeviceKind, DeviceStatus } from './types';

const CONSTRAINTS: Record<DeviceKind, MediaTrackConstraints> = {
  camera: { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 25, max: 30 } },
  microphone: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
};

export class LocalDevice {
  private readonly statusValue = createValue<DeviceStatus>({ state: 'off' });
  private readonly trackValue = createValue<MediaStreamTrack | null>(null);
  private readonly choicesValue = createValue<readonly DeviceChoice[]>([]);
  private readonly chosenValue = createValue<string>('');

  constructor(readonly kind: DeviceKind) {}

  get status(): Observable<DeviceStatus> {
    return this.statusValue;
  }

  get track(): Observable<MediaStreamTrack | null> {
    return this.trackValue;
  }

  get choices(): Observable<readonly DeviceChoice[]> {
    return this.choicesValue;
  }

  /** The id of the device in use, '' when there is none. */
  get chosen(): Observable<string> {
    return this.chosenValue;
  }

  constraints(): MediaTrackConstraints {
    const id = this.chosenValue.value;
    return { ...CONSTRAINTS[this.kind], ...(id === '' ? {} : { deviceId: { ideal: id } }) };
  }

  async start(): Promise<void> {
    if (this.statusValue.value.state === 'starting') return;
    this.statusValue.set({ state: 'starting' });
    try {
      const wanted = this.kind === 'camera' ? 'video' : 'audio';
      const stream = await navigator.mediaDevices.getUserMedia({ [wanted]: this.constraints() });
      const track = stream.getTracks()[0];
      if (track) this.adopt(track);
    } catch (error) {
      this.fail(error);
    }
  }

  markStarting(): void {
    this.statusValue.set({ state: 'starting' });
  }

  /** Takes a fresh track; the one before it is stopped. */
  adopt(track: MediaStreamTrack): void {
    this.trackValue.value?.stop();
    track.onended = () => this.handleEnded(track);
    this.chosenValue.set(track.getSettings().deviceId ?? '');
    this.trackValue.set(track);
    this.statusValue.set({ state: 'on' });
  }

  fail(error: unknown): void {
    this.release();
    this.statusValue.set({ state: 'problem', problem: deviceProblemOf(error) });
  }

  stop(): void {
    this.release();
    this.statusValue.set({ state: 'off' });
  }

  async choose(id: string): Promise<void> {
    this.chosenValue.set(id);
    if (this.statusValue.value.state !== 'off') await this.start();
  }

  /** Called with the devices that are plugged in now; starts again what was missing. */
  handleDevices(devices: readonly DeviceChoice[]): void {
    this.choicesValue.set(devices);
    const status = this.statusValue.value;
    const wasMissing = status.state === 'problem' && status.problem === 'absent';
    if (wasMissing && devices.length > 0) void this.start();
  }

  private handleEnded(track: MediaStreamTrack): void {
    if (this.trackValue.value !== track) return;
    this.chosenValue.set('');
    this.release();
    void this.start();
  }

  private release(): void {
    const track = this.trackValue.value;
    this.trackValue.set(null);
    if (!track) return;
    track.onended = null;
    track.stop();
  }
}
