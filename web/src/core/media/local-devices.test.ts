/*
 * Goal: whatever the browser says about camera and microphone becomes a track or a named problem,
 * and one bad device does not take the other with it. Method: a browser played by hand.
 */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Scope } from '../observable/scope';
import { LocalDevices } from './local-devices';

class FakeTrack {
  onended: (() => void) | null = null;
  readonly stop = vi.fn();

  constructor(readonly kind: 'audio' | 'video') {}

  getSettings(): MediaTrackSettings {
    return { deviceId: `${this.kind}-1` };
  }
}

class FakeBrowser extends EventTarget {
  readonly problems = new Map<string, string>();
  readonly enumerateDevices = vi.fn(() =>
    Promise.resolve(
      ['audioinput', 'videoinput'].map((kind) => ({ kind, deviceId: `${kind}-1`, label: kind })),
    ),
  );

  getUserMedia({
    audio,
    video,
  }: MediaStreamConstraints): Promise<{ getTracks: () => FakeTrack[] }> {
    const kinds = [...(audio ? (['audio'] as const) : []), ...(video ? (['video'] as const) : [])];
    for (const kind of kinds) {
      const problem = this.problems.get(kind);
      if (problem) return Promise.reject(new DOMException('', problem));
    }
    const tracks = kinds.map((kind) => new FakeTrack(kind));
    return Promise.resolve({ getTracks: () => tracks });
  }
}

function browserWith(mediaDevices: FakeBrowser | undefined): void {
  vi.stubGlobal('navigator', mediaDevices ? { mediaDevices } : {});
}

describe('the devices', () => {
  afterEach(() => vi.unstubAllGlobals());

  it('are both there after one question', async () => {
    browserWith(new FakeBrowser());
    const devices = new LocalDevices(new Scope());
    await devices.startAll();
    expect(devices.camera.status.value.state).toBe('on');
    expect(devices.microphone.track.value?.kind).toBe('audio');
    expect(devices.camera.chosen.value).toBe('video-1');
    expect(devices.microphone.choices.value).toEqual([{ id: 'audioinput-1', label: 'audioinput' }]);
  });

  it.each([
    ['NotAllowedError', 'refused'],
    ['NotFoundError', 'absent'],
    ['NotReadableError', 'busy'],
    ['UnknownError', 'failed'],
  ] as const)('%s of the camera leaves the microphone working', async (name, problem) => {
    const browser = new FakeBrowser();
    browser.problems.set('video', name);
    browserWith(browser);
    const devices = new LocalDevices(new Scope());
    browser.enumerateDevices.mockResolvedValue([]);
    await devices.startAll();
    expect(devices.camera.status.value).toEqual({ state: 'problem', problem });
    expect(devices.microphone.status.value.state).toBe('on');
  });

  it('name an insecure address', async () => {
    browserWith(undefined);
    const devices = new LocalDevices(new Scope());
    await devices.startAll();
    expect(devices.camera.status.value).toEqual({ state: 'problem', problem: 'insecure' });
    expect(devices.microphone.status.value).toEqual({ state: 'problem', problem: 'insecure' });
  });

  it('are used when they are plugged in later', async () => {
    const browser = new FakeBrowser();
    browser.problems.set('video', 'NotFoundError');
    browser.enumerateDevices.mockResolvedValueOnce([]);
    browserWith(browser);
    const devices = new LocalDevices(new Scope());
    await devices.startAll();
    browser.problems.clear();
    browser.dispatchEvent(new Event('devicechange'));
    await vi.waitFor(() => expect(devices.camera.status.value.state).toBe('on'));
  });

  it('are released with their scope', async () => {
    browserWith(new FakeBrowser());
    const scope = new Scope();
    const devices = new LocalDevices(scope);
    await devices.startAll();
    const track = devices.camera.track.value as unknown as FakeTrack;
    scope.end();
    expect(track.stop).toHaveBeenCalled();
    expect(devices.camera.track.value).toBeNull();
  });
});
