/** The shared screen: the browser asks which one, and may end it from its own bar. */
import { createValue, type Observable } from '../observable/observable';

export class ScreenShare {
  private readonly trackValue = createValue<MediaStreamTrack | null>(null);

  get track(): Observable<MediaStreamTrack | null> {
    return this.trackValue;
  }

  /** False when the user chose nothing or the browser refused; that is no error. */
  async start(): Promise<boolean> {
    try {
      const stream = await navigator.mediaDevices.getDisplayMedia({
        video: { frameRate: { max: 15 } },
      });
      const track = stream.getVideoTracks()[0] ?? null;
      if (track) {
        track.contentHint = 'detail';
        track.onended = () => this.stop();
      }
      this.trackValue.set(track);
      return track !== null;
    } catch {
      return false;
    }
  }

  stop(): void {
    this.trackValue.value?.stop();
    this.trackValue.set(null);
  }
}
