/** The one line that tells a far classroom where it stands. */
import type { LessonState } from '../lesson/state';
import { handPlaces } from './sites';
import type { Line } from './line';

export type StateWord =
  | 'connecting'
  | 'reconnecting'
  | 'on_stage'
  | 'on_stage_muted'
  | 'microphone_open'
  | 'hand_up'
  | 'waiting_for_lecture'
  | 'listening';

export interface StateLine {
  readonly word: StateWord;
  readonly tone: 'calm' | 'active' | 'waiting' | 'trouble';
  readonly handPlace: number;
  /** Said beside the word: the line is poor but holds. */
  readonly isLinePoor: boolean;
}

export function stateLineOf(
  state: LessonState,
  identity: string,
  line: Line,
  hasLecture: boolean,
): StateLine {
  const handPlace = handPlaces(state).get(identity) ?? 0;
  const rest = { handPlace, isLinePoor: line === 'poor' };
  if (line === 'reconnecting') return { word: 'reconnecting', tone: 'trouble', ...rest };
  if (line === 'connecting') return { word: 'connecting', tone: 'waiting', ...rest };
  const me = state.sites.get(identity);
  if (me?.stage) return { word: me.floor ? 'on_stage' : 'on_stage_muted', tone: 'active', ...rest };
  if (me?.floor) return { word: 'microphone_open', tone: 'active', ...rest };
  if (handPlace > 0) return { word: 'hand_up', tone: 'waiting', ...rest };
  return hasLecture
    ? { word: 'listening', tone: 'calm', ...rest }
    : { word: 'waiting_for_lecture', tone: 'waiting', ...rest };
}
