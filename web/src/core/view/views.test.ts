/* Goal: the lists and the state line say what the log and the room say together. Method: tables. */
import { describe, expect, it } from 'vitest';
import type { LessonEvent, Role } from '../../protocol/lesson';
import { foldEvents } from '../lesson/fold';
import { EMPTY_LESSON, type LessonState } from '../lesson/state';
import type { ParticipantView, VideoSource } from '../media/types';
import { deviceNotices } from './device-notice';
import { arrangeLecture, lectureTiles } from './lecture';
import { lineOf } from './line';
import { remoteSites, stageSites } from './sites';
import { stateLineOf } from './state-line';

const picture: VideoSource = { key: 'v', attach: () => () => undefined };

function joined(
  site: string,
  role: Role,
): Omit<Extract<LessonEvent, { type: 'site_joined' }>, 'seq'> {
  return { at: 0, type: 'site_joined', site, role, name: `n-${site}`, school: `s-${site}` };
}

function lesson(...events: readonly Omit<LessonEvent, 'seq'>[]): LessonState {
  const all = [
    joined('t', 'lecture'),
    joined('a', 'remote'),
    joined('b', 'remote'),
    joined('c', 'remote'),
    ...events,
  ];
  return foldEvents(
    EMPTY_LESSON,
    all.map((event, i) => ({ ...event, seq: i + 1 }) as LessonEvent),
  );
}

function about(
  type: 'hand_raised' | 'stage_added' | 'floor_given' | 'floor_taken' | 'site_left',
  site: string,
) {
  return { at: 0, type, site };
}

function participant(identity: string, rest: Partial<ParticipantView> = {}): ParticipantView {
  return {
    identity,
    name: '',
    isLocal: false,
    isSpeaking: false,
    quality: 'good',
    camera: null,
    screen: null,
    microphone: 'muted',
    ...rest,
  };
}

describe('the wall', () => {
  it('lists remote sites only, with what the room knows of them', () => {
    const sites = remoteSites(lesson(), [participant('a', { camera: picture, quality: 'poor' })]);
    expect(sites.map((site) => site.identity)).toEqual(['a', 'b', 'c']);
    expect(sites[0]).toMatchObject({ camera: picture, quality: 'poor', microphone: 'muted' });
    expect(sites[1]).toMatchObject({ camera: null, quality: 'unknown', microphone: 'absent' });
  });

  it('puts raised hands first in their order, and those who left last', () => {
    const sites = remoteSites(
      lesson(about('site_left', 'a'), about('hand_raised', 'c'), about('hand_raised', 'b')),
      [],
    );
    expect(sites.map((site) => [site.identity, site.handPlace])).toEqual([
      ['c', 1],
      ['b', 2],
      ['a', 0],
    ]);
  });

  it('does not move a tile because it goes on stage', () => {
    const sites = remoteSites(lesson(about('stage_added', 'c')), []);
    expect(sites.map((site) => site.identity)).toEqual(['a', 'b', 'c']);
    expect(sites[2]).toMatchObject({ isOnStage: true, hasFloor: true });
  });
});

it('the stage keeps the order of calling', () => {
  const state = lesson(about('stage_added', 'c'), about('stage_added', 'a'));
  expect(stageSites(state, []).map((site) => site.identity)).toEqual(['c', 'a']);
});

describe('the lecture', () => {
  const both = [
    participant('t', { camera: picture, screen: picture }),
    participant('a', { camera: picture }),
  ];

  it('shows the screen large and the teacher small, and swaps by a click', () => {
    const tiles = lectureTiles(lesson(), both);
    expect(tiles.map((tile) => tile.id)).toEqual(['t/screen', 't/camera']);
    expect(arrangeLecture(tiles, null).main?.id).toBe('t/screen');
    expect(arrangeLecture(tiles, 't/camera')).toMatchObject({
      main: { id: 't/camera' },
      others: [{ id: 't/screen' }],
    });
  });

  it('falls back when the picked picture has gone', () => {
    const tiles = lectureTiles(lesson(), [participant('t', { camera: picture })]);
    expect(arrangeLecture(tiles, 't/screen').main?.id).toBe('t/camera');
    expect(arrangeLecture([], 't/screen').main).toBeNull();
  });
});

describe('the state line', () => {
  it.each([
    ['nothing special', [], 'good', true, 'listening'],
    ['nobody lectures yet', [], 'good', false, 'waiting_for_lecture'],
    ['a raised hand', [about('hand_raised', 'a')], 'good', true, 'hand_up'],
    ['the floor', [about('floor_given', 'a')], 'good', true, 'microphone_open'],
    ['the stage', [about('stage_added', 'a')], 'good', true, 'on_stage'],
    [
      'the stage without floor',
      [about('stage_added', 'a'), about('floor_taken', 'a')],
      'good',
      true,
      'on_stage_muted',
    ],
    [
      'a cut line before all else',
      [about('stage_added', 'a')],
      'reconnecting',
      true,
      'reconnecting',
    ],
    ['the beginning', [], 'connecting', false, 'connecting'],
  ] as const)('%s', (_name, events, line, hasLecture, word) => {
    expect(stateLineOf(lesson(...events), 'a', line, hasLecture).word).toBe(word);
  });

  it('tells the place in the queue and a poor line', () => {
    const state = lesson(about('hand_raised', 'b'), about('hand_raised', 'a'));
    expect(stateLineOf(state, 'a', 'poor', true)).toMatchObject({
      handPlace: 2,
      isLinePoor: true,
      word: 'hand_up',
    });
  });
});

describe('the line', () => {
  it.each([
    ['online', 'online', 'good', 'good'],
    ['online', 'online', 'poor', 'poor'],
    ['online', 'online', 'lost', 'poor'],
    ['offline', 'online', 'good', 'reconnecting'],
    ['online', 'reconnecting', 'good', 'reconnecting'],
    ['online', 'connecting', 'good', 'connecting'],
    ['connecting', 'online', 'good', 'connecting'],
  ] as const)('log %s, media %s, quality %s: %s', (log, media, quality, line) => {
    expect(lineOf(log, { state: media }, [participant('me', { isLocal: true, quality })])).toBe(
      line,
    );
  });
});

describe('device notices', () => {
  it('says once what is true of both', () => {
    const refused = { state: 'problem', problem: 'refused' } as const;
    expect(deviceNotices(refused, refused)).toEqual([{ problem: 'refused', devices: 'both' }]);
    expect(deviceNotices({ state: 'on' }, refused)).toEqual([
      { problem: 'refused', devices: 'microphone' },
    ]);
    expect(deviceNotices({ state: 'on' }, { state: 'starting' })).toEqual([]);
  });
});
