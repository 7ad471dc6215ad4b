/** The sites as the pages list them: what the log says joined with what the room says. */
import type { LessonState, SiteState } from '../lesson/state';
import type { LineQuality, MicrophoneState, ParticipantView, VideoSource } from '../media/types';

export interface SiteView {
  readonly identity: string;
  readonly name: string;
  readonly school: string;
  readonly isOnline: boolean;
  /** The place in the queue of raised hands, from 1; 0 while the hand is down. */
  readonly handPlace: number;
  readonly isOnStage: boolean;
  readonly hasFloor: boolean;
  readonly microphone: MicrophoneState;
  readonly isSpeaking: boolean;
  readonly quality: LineQuality;
  readonly camera: VideoSource | null;
}

/**
 * All remote sites: raised hands first in their order, then those that are there, then those that
 * have left. Being on stage does not move a tile: teachers know their classrooms by place.
 */
export function remoteSites(
  state: LessonState,
  participants: readonly ParticipantView[],
): readonly SiteView[] {
  const byIdentity = participantsByIdentity(participants);
  const places = handPlaces(state);
  return [...state.sites]
    .filter(([, site]) => site.role === 'remote')
    .map(([identity, site]) =>
      viewOf(identity, site, places.get(identity) ?? 0, byIdentity.get(identity)),
    )
    .sort((a, b) => rank(a) - rank(b) || a.handPlace - b.handPlace || compareSites(a, b));
}

export function stageSites(
  state: LessonState,
  participants: readonly ParticipantView[],
): readonly SiteView[] {
  const byIdentity = participantsByIdentity(participants);
  return state.stage.flatMap((identity) => {
    const site = state.sites.get(identity);
    return site ? [viewOf(identity, site, 0, byIdentity.get(identity))] : [];
  });
}

/** Who waits with a raised hand, and as which one. */
export function handPlaces(state: LessonState): ReadonlyMap<string, number> {
  const raised = [...state.sites].filter(([, site]) => site.hand);
  raised.sort(([, a], [, b]) => a.hand_seq - b.hand_seq);
  return new Map(raised.map(([identity], index) => [identity, index + 1]));
}

/** The name to show for a site that may have said nothing about itself. */
export function siteTitle(site: { identity: string; name: string; school: string }): string {
  return site.school || site.name || site.identity;
}

function viewOf(
  identity: string,
  site: SiteState,
  handPlace: number,
  participant: ParticipantView | undefined,
): SiteView {
  return {
    identity,
    name: site.name,
    school: site.school,
    isOnline: site.online,
    handPlace,
    isOnStage: site.stage,
    hasFloor: site.floor,
    microphone: participant?.microphone ?? 'absent',
    isSpeaking: participant?.isSpeaking ?? false,
    quality: participant?.quality ?? 'unknown',
    camera: participant?.camera ?? null,
  };
}

function participantsByIdentity(
  participants: readonly ParticipantView[],
): Map<string, ParticipantView> {
  return new Map(participants.map((participant) => [participant.identity, participant]));
}

function rank(site: SiteView): number {
  if (!site.isOnline) return 2;
  return site.handPlace > 0 ? 0 : 1;
}

function compareSites(a: SiteView, b: SiteView): number {
  return siteTitle(a).localeCompare(siteTitle(b), 'zh-CN') || a.identity.localeCompare(b.identity);
}
