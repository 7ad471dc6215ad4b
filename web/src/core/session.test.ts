/*
 * Goal: what ends a lesson page is told in one word, and everything stops with it. Method: livekit's
 * room is replaced by one that never connects; the log is driven through a socket by hand.
 */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { LessonInfo } from '../protocol/rest';
import { LessonSession } from './session';

const sockets: FakeSocket[] = [];

class FakeSocket {
  onmessage: ((message: { data: string }) => void) | null = null;
  onclose: (() => void) | null = null;
  readonly close = vi.fn();
  readonly send = vi.fn();

  constructor(readonly url: string) {
    if (url.includes('/api/')) sockets.push(this);
  }

  give(frame: unknown): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }
}

const info: LessonInfo = {
  id: 'demo',
  title: '课',
  kind: 'class',
  status: 'live',
  you: { identity: 'o', name: '', school: '', role: 'observer' },
};

beforeEach(() => {
  sockets.length = 0;
  vi.useFakeTimers();
  vi.stubGlobal('WebSocket', FakeSocket);
  vi.mock('./media/media-room', async () => {
    const { createValue } = await import('./observable/observable');
    return {
      MediaRoom: class {
        readonly connection = createValue({ state: 'online' });
        readonly participants = createValue([]);
        readonly isSoundBlocked = createValue(false);
        readonly open = vi.fn();
        readonly close = vi.fn();
      },
    };
  });
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

function open(): LessonSession {
  const session = new LessonSession({ lesson: 'demo', token: 'a.b.c' }, info, 'ws://school');
  session.open();
  sockets[0]!.give({ type: 'hello', seq: 0, you: { identity: 'o', role: 'observer' } });
  return session;
}

it('is over for everybody when the lesson ends', () => {
  const session = open();
  expect(session.line.value).toBe('good');
  sockets[0]!.give({ seq: 1, at: 0, type: 'lesson_ended', by: 't' });
  expect(session.problem.value).toBe('lesson_over');
  expect(sockets[0]!.close).toHaveBeenCalled();
});

it('asks about its link when the log keeps failing, and gives way when the link is dead', async () => {
  const body = JSON.stringify({ error: { code: 'token_expired', message: '' } });
  vi.stubGlobal(
    'fetch',
    vi.fn(() => Promise.resolve(new Response(body, { status: 401 }))),
  );
  const session = open();
  for (let i = 0; i < 3; i++) {
    sockets.at(-1)!.onclose?.();
    await vi.advanceTimersByTimeAsync(1_000);
  }
  expect(session.problem.value).toBe('link_expired');
});

it('goes on trying while the server is only gone', async () => {
  vi.stubGlobal(
    'fetch',
    vi.fn(() => Promise.reject(new TypeError('network'))),
  );
  const session = open();
  for (let i = 0; i < 5; i++) {
    sockets.at(-1)!.onclose?.();
    await vi.advanceTimersByTimeAsync(4_000);
  }
  expect(session.problem.value).toBeNull();
  expect(session.line.value).toBe('reconnecting');
});
