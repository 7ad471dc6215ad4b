/** How loud a microphone is, 0 to 1, read from the device itself, also while it is muted for others. */
import type { Observable } from '../observable/observable';
import { createValue } from '../observable/observable';

const READ_EVERY_MS = 80;
/** Speech at arm's length lies between these; below is silence, above is shouting. */
const SILENCE_DB = -55;
const LOUD_DB = -12;

export class LevelMeter {
  private readonly levelValue = createValue(0);
  private stopCurrent: (() => void) | undefined;

  get level(): Observable<number> {
    return this.levelValue;
  }

  listen(track: MediaStreamTrack | null): void {
    this.stopCurrent?.();
    this.stopCurrent = track ? this.start(track) : undefined;
    if (!track) this.levelValue.set(0);
  }

  private start(track: MediaStreamTrack): () => void {
    /* A clone stays enabled when the published track is muted. */
    const clone = track.clone();
    clone.enabled = true;
    const context = new AudioContext();
    const analyser = new AnalyserNode(context, { fftSize: 1024 });
    context.createMediaStreamSource(new MediaStream([clone])).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    const timer = setInterval(() => {
      if (context.state === 'suspended') void context.resume();
      analyser.getFloatTimeDomainData(samples);
      this.levelValue.set(levelOf(samples));
    }, READ_EVERY_MS);
    return () => {
      clearInterval(timer);
      clone.stop();
      void context.close();
    };
  }
}

/** The loudness of the samples on a scale that looks even to the eye, in steps of 1/20. */
export function levelOf(samples: Float32Array): number {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  const db = 10 * Math.log10(sum / samples.length + 1e-10);
  const level = (db - SILENCE_DB) / (LOUD_DB - SILENCE_DB);
  return Math.round(Math.min(1, Math.max(0, level)) * 20) / 20;
}
