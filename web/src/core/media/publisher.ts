/**
 * Keeps what a room publishes equal to what is wanted: for each slot the track, muted or not. Works
 * off one difference after the other, so that quick changes never cross each other.
 */
import {
  LocalAudioTrack,
  LocalVideoTrack,
  Track,
  VideoPresets,
  type LocalTrack,
  type Room,
  type TrackPublishOptions,
} from 'livekit-client';
import type { Observable } from '../observable/observable';
import { Scope } from '../observable/scope';

export interface PublishSlot {
  readonly source: Track.Source.Camera | Track.Source.Microphone | Track.Source.ScreenShare;
  readonly track: Observable<MediaStreamTrack | null>;
  readonly isMuted: Observable<boolean>;
}

/** After the server or the line has refused a track, it is tried again so much later. */
const RETRY_MS = 2_000;

const OPTIONS: Record<PublishSlot['source'], TrackPublishOptions> = {
  [Track.Source.Camera]: {
    simulcast: true,
    videoSimulcastLayers: [VideoPresets.h180, VideoPresets.h360],
    videoEncoding: { maxBitrate: 1_500_000, maxFramerate: 25 },
  },
  [Track.Source.Microphone]: { dtx: true, red: true },
  [Track.Source.ScreenShare]: {
    simulcast: false,
    videoEncoding: { maxBitrate: 2_000_000, maxFramerate: 15 },
  },
};

/** Publishes the slots in `room` until the scope ends. */
export function publishSlots(room: Room, slots: readonly PublishSlot[], scope: Scope): void {
  for (const slot of slots) new SlotPublisher(room, slot, scope);
}

class SlotPublisher {
  private published:
    { source: MediaStreamTrack; track: LocalAudioTrack | LocalVideoTrack } | undefined;
  private isBusy = false;

  constructor(
    private readonly room: Room,
    private readonly slot: PublishSlot,
    private readonly scope: Scope,
  ) {
    scope.onEnd(slot.track.subscribe(() => void this.sync()));
    scope.onEnd(slot.isMuted.subscribe(() => void this.sync()));
    void this.sync();
  }

  private async sync(): Promise<void> {
    if (this.isBusy) return;
    this.isBusy = true;
    try {
      while (!this.scope.isEnded && (await this.step()));
    } catch {
      const timer = setTimeout(() => void this.sync(), RETRY_MS);
      this.scope.onEnd(() => clearTimeout(timer));
    } finally {
      this.isBusy = false;
    }
  }

  /** Removes one difference; false when there is none. */
  private async step(): Promise<boolean> {
    const wanted = this.slot.track.value;
    const { published } = this;
    if (!published) return wanted !== null && this.publish(wanted);
    if (!wanted) return this.unpublish(published.track);
    if (published.source !== wanted) {
      await published.track.replaceTrack(wanted, true);
      this.published = { source: wanted, track: published.track };
      return true;
    }
    return this.applyMute(published.track);
  }

  private async publish(wanted: MediaStreamTrack): Promise<boolean> {
    const { source } = this.slot;
    const track =
      source === Track.Source.Microphone
        ? new LocalAudioTrack(wanted, undefined, true)
        : new LocalVideoTrack(wanted, undefined, true);
    track.source = source;
    /* Muted before it is published: not one word gets out by accident. */
    await this.applyMute(track);
    await this.room.localParticipant.publishTrack(asLocalTrack(track), {
      ...OPTIONS[source],
      source,
    });
    this.published = { source: wanted, track };
    return true;
  }

  private async unpublish(track: LocalAudioTrack | LocalVideoTrack): Promise<boolean> {
    this.published = undefined;
    await this.room.localParticipant.unpublishTrack(asLocalTrack(track), false);
    return true;
  }

  private async applyMute(track: LocalAudioTrack | LocalVideoTrack): Promise<boolean> {
    const isMuted = this.slot.isMuted.value;
    if (track.isMuted === isMuted) return false;
    await (isMuted ? track.mute() : track.unmute());
    return true;
  }
}

/* livekit's own types were not written for exactOptionalPropertyTypes; the classes are what it takes. */
function asLocalTrack(track: LocalAudioTrack | LocalVideoTrack): LocalTrack {
  return track as LocalTrack;
}
