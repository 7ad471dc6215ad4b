/** What a livekit room looks like to the pages: plain values, made anew after each change. */
import {
  ConnectionQuality,
  Track,
  type Participant,
  type Room,
  type TrackPublication,
} from 'livekit-client';
import type { LineQuality, MicrophoneState, ParticipantView, VideoSource } from './types';

export function participantsOf(room: Room): ParticipantView[] {
  return [room.localParticipant, ...room.remoteParticipants.values()].map(viewOf);
}

export function qualityOf(quality: ConnectionQuality): LineQuality {
  switch (quality) {
    case ConnectionQuality.Excellent:
      return 'excellent';
    case ConnectionQuality.Good:
      return 'good';
    case ConnectionQuality.Poor:
      return 'poor';
    case ConnectionQuality.Lost:
      return 'lost';
    case ConnectionQuality.Unknown:
      return 'unknown';
    default:
      return quality satisfies never;
  }
}

function viewOf(participant: Participant): ParticipantView {
  return {
    identity: participant.identity,
    name: participant.name ?? '',
    isLocal: participant.isLocal,
    isSpeaking: participant.isSpeaking,
    quality: qualityOf(participant.connectionQuality),
    camera: videoOf(participant.getTrackPublication(Track.Source.Camera)),
    screen: videoOf(participant.getTrackPublication(Track.Source.ScreenShare)),
    microphone: microphoneOf(participant.getTrackPublication(Track.Source.Microphone)),
  };
}

function microphoneOf(publication: TrackPublication | undefined): MicrophoneState {
  if (!publication) return 'absent';
  return publication.isMuted ? 'muted' : 'open';
}

/* One source per track, so that a tile whose track has not changed is not drawn again. */
const sources = new WeakMap<Track, VideoSource>();

function videoOf(publication: TrackPublication | undefined): VideoSource | null {
  const track = publication?.track;
  if (!track || publication.isMuted) return null;
  let source = sources.get(track);
  if (!source) {
    source = {
      key: publication.trackSid,
      attach: (element) => {
        track.attach(element);
        return () => track.detach(element);
      },
    };
    sources.set(track, source);
  }
  return source;
}
