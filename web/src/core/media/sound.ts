/** Lets the sound of a room be heard: one hidden audio element for each remote track. */
import { RoomEvent, Track, type RemoteTrack, type Room } from 'livekit-client';
import type { Value } from '../observable/observable';
import type { Scope } from '../observable/scope';

export function playSound(room: Room, isBlocked: Value<boolean>, scope: Scope): void {
  const elements = new Map<RemoteTrack, HTMLMediaElement>();
  const remove = (track: RemoteTrack): void => {
    const element = elements.get(track);
    if (!element) return;
    track.detach(element);
    element.remove();
    elements.delete(track);
  };
  room.on(RoomEvent.TrackSubscribed, (track) => {
    if (track.kind !== Track.Kind.Audio) return;
    const element = track.attach();
    element.hidden = true;
    document.body.append(element);
    elements.set(track, element);
  });
  room.on(RoomEvent.TrackUnsubscribed, remove);
  room.on(RoomEvent.AudioPlaybackStatusChanged, () => isBlocked.set(!room.canPlaybackAudio));
  scope.onEnd(() => {
    for (const track of [...elements.keys()]) remove(track);
  });
}
