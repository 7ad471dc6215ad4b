/** The state of a lesson as the log gives it (docs/lesson-log.md, "The folded state"). */
import type { LessonKind, LessonStatus, Role } from '../../protocol/lesson';

export interface SiteState {
  readonly role: Role;
  readonly name: string;
  readonly school: string;
  readonly online: boolean;
  readonly hand: boolean;
  /** The number of the event that raised the hand; 0 while it is down. */
  readonly hand_seq: number;
  readonly stage: boolean;
  readonly floor: boolean;
}

export interface LessonState {
  readonly seq: number;
  readonly status: LessonStatus;
  readonly title: string;
  readonly kind: LessonKind;
  /** Identities in the order in which they were called. */
  readonly stage: readonly string[];
  readonly sites: ReadonlyMap<string, SiteState>;
}

/** At most so many sites are on stage at once. */
export const STAGE_MAX = 6;

export const EMPTY_LESSON: LessonState = {
  seq: 0,
  status: 'live',
  title: '',
  kind: 'class',
  stage: [],
  sites: new Map(),
};
