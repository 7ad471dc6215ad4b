/*
 * Goal: the fold gives the state that the shared vectors name (the C fold is held to the same
 * files), and repeats never change it. Method: every file of tests/vectors/lesson, once straight,
 * once with every event sent twice and with an old stretch sent again.
 */
import { describe, expect, it } from 'vitest';
import { parseEvent, type LessonEvent } from '../../protocol/lesson';
import { foldEvent, foldEvents } from './fold';
import { EMPTY_LESSON, type LessonState } from './state';

interface Vector {
  readonly name: string;
  readonly events: readonly unknown[];
  readonly state: unknown;
}

const vectors = Object.values(
  import.meta.glob<Vector>('../../../../tests/vectors/lesson/*.json', {
    eager: true,
    import: 'default',
  }),
);

function eventsOf(vector: Vector): LessonEvent[] {
  return vector.events.flatMap((event) => parseEvent(event) ?? []);
}

function plain(state: LessonState): unknown {
  return { ...state, sites: Object.fromEntries(state.sites) };
}

describe('the fold', () => {
  it('has vectors to be held to', () => expect(vectors.length).toBeGreaterThan(5));

  it.each(vectors)('$name', (vector) => {
    const events = eventsOf(vector);
    expect(events).toHaveLength(vector.events.length);
    expect(plain(foldEvents(EMPTY_LESSON, events))).toEqual(vector.state);
  });

  it.each(vectors)('with repeats: $name', (vector) => {
    const events = eventsOf(vector);
    const repeated = events.flatMap((event, i) => [
      event,
      event,
      ...events.slice(Math.max(0, i - 3), i),
    ]);
    expect(plain(foldEvents(EMPTY_LESSON, repeated))).toEqual(vector.state);
  });

  it('keeps what an event does not change', () => {
    const state = foldEvents(EMPTY_LESSON, eventsOf(vectors[0]!));
    const next = foldEvent(state, { seq: state.seq + 1, at: 0, type: 'unknown' });
    expect(next.sites).toBe(state.sites);
    expect(next.seq).toBe(state.seq + 1);
  });
});
