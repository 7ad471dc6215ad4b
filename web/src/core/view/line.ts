/** The line to the server in one word, from the log, the media connection and the server's judgement. */
import type { LogConnection } from '../lesson/log-client';
import type { MediaConnection, ParticipantView } from '../media/types';

export type Line = 'connecting' | 'good' | 'poor' | 'reconnecting';

export function lineOf(
  log: LogConnection,
  media: MediaConnection,
  participants: readonly ParticipantView[],
): Line {
  if (media.state === 'reconnecting' || log === 'offline') return 'reconnecting';
  if (media.state === 'connecting' || log === 'connecting') return 'connecting';
  const quality = participants.find((participant) => participant.isLocal)?.quality;
  return quality === 'poor' || quality === 'lost' ? 'poor' : 'good';
}
