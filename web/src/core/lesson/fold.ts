/**
 * The fold over the lesson log; the same as src/lesson/fold.c, kept equal by tests/vectors/lesson.
 * A pure function: an event that changes nothing but `seq` keeps all other parts identical.
 */
import type { LessonEvent } from '../../protocol/lesson';
import { STAGE_MAX, type LessonState, type SiteState } from './state';

export function foldEvent(state: LessonState, event: LessonEvent): LessonState {
  if (event.seq <= state.seq) return state;
  const next = state.status === 'ended' ? state : applyEvent(state, event);
  return { ...next, seq: event.seq };
}

export function foldEvents(state: LessonState, events: readonly LessonEvent[]): LessonState {
  return events.reduce(foldEvent, state);
}

function applyEvent(state: LessonState, event: LessonEvent): LessonState {
  switch (event.type) {
    case 'lesson_opened':
      return { ...state, title: event.title, kind: event.kind };
    case 'site_joined':
      return joinSite(state, event);
    case 'site_left':
      return patchSite(state, event.site, { online: false, hand: false, hand_seq: 0 });
    case 'hand_raised':
      return state.sites.get(event.site)?.hand
        ? state
        : patchSite(state, event.site, { hand: true, hand_seq: event.seq });
    case 'hand_lowered':
      return patchSite(state, event.site, { hand: false, hand_seq: 0 });
    case 'stage_added':
      return addToStage(state, event.site);
    case 'stage_removed':
      return removeFromStage(state, event.site);
    case 'floor_given':
      return patchSite(state, event.site, { floor: true, hand: false, hand_seq: 0 });
    case 'floor_taken':
      return patchSite(state, event.site, { floor: false });
    case 'all_muted':
      return patchAll(state, { floor: false });
    case 'lesson_ended':
      return {
        ...patchAll(state, { floor: false, stage: false, hand: false, hand_seq: 0 }),
        status: 'ended',
        stage: [],
      };
    case 'chat':
    case 'unknown':
      return state;
    default:
      return event satisfies never;
  }
}

type Joined = Extract<LessonEvent, { type: 'site_joined' }>;

function joinSite(state: LessonState, { site, role, name, school }: Joined): LessonState {
  const old = state.sites.get(site);
  const rest = old ?? { hand: false, hand_seq: 0, stage: false, floor: false };
  return withSite(state, site, { ...rest, role, name, school, online: true });
}

function addToStage(state: LessonState, site: string): LessonState {
  const old = state.sites.get(site);
  if (!old || old.stage || state.stage.length >= STAGE_MAX) return state;
  const next = patchSite(state, site, { stage: true, floor: true, hand: false, hand_seq: 0 });
  return { ...next, stage: [...state.stage, site] };
}

function removeFromStage(state: LessonState, site: string): LessonState {
  if (!state.sites.get(site)?.stage) return state;
  const next = patchSite(state, site, { stage: false, floor: false });
  return { ...next, stage: state.stage.filter((other) => other !== site) };
}

function patchSite(state: LessonState, site: string, patch: Partial<SiteState>): LessonState {
  const old = state.sites.get(site);
  return old && differs(old, patch) ? withSite(state, site, { ...old, ...patch }) : state;
}

function patchAll(state: LessonState, patch: Partial<SiteState>): LessonState {
  return [...state.sites.keys()].reduce((s, site) => patchSite(s, site, patch), state);
}

function withSite(state: LessonState, site: string, next: SiteState): LessonState {
  return { ...state, sites: new Map(state.sites).set(site, next) };
}

function differs(site: SiteState, patch: Partial<SiteState>): boolean {
  return (Object.keys(patch) as (keyof SiteState)[]).some((key) => site[key] !== patch[key]);
}
