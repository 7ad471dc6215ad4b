/* Goal: each answer of the server becomes the right problem or a lesson. Method: a table of replies. */
import { describe, expect, it } from 'vitest';
import { fetchLesson } from './lesson-api';

function token(exp: number): string {
  return `h.${btoa(JSON.stringify({ exp }))}.s`;
}

const GOOD = token(4_000_000_000);
const info = {
  id: 'demo',
  title: '课',
  kind: 'class',
  status: 'live',
  you: { identity: 'a', name: 'n', school: 's', role: 'remote' },
};

function replying(status: number, body: unknown): typeof fetch {
  return () => Promise.resolve(new Response(JSON.stringify(body), { status }));
}

function error(code: string): unknown {
  return { error: { code, message: '' } };
}

describe('asking for the lesson', () => {
  it('gives the lesson', async () => {
    const answer = await fetchLesson({ lesson: 'demo', token: GOOD }, replying(200, info));
    expect(answer).toEqual({ ok: true, info });
  });

  it.each([
    ['bad_link', 401, error('unauthenticated'), GOOD],
    ['link_expired', 401, error('token_expired'), GOOD],
    ['link_expired', 401, error('unauthenticated'), token(1)],
    ['bad_link', 403, error('not_allowed'), GOOD],
    ['lesson_not_found', 404, error('lesson_not_found'), GOOD],
    ['lesson_not_found', 404, 'no JSON object', GOOD],
    ['server_gone', 503, error('unavailable'), GOOD],
    ['server_gone', 429, error('limit_exceeded'), GOOD],
    ['server_gone', 200, { nonsense: true }, GOOD],
    ['lesson_over', 200, { ...info, status: 'ended' }, GOOD],
  ] as const)('%s for %i', async (problem, status, body, link) => {
    const answer = await fetchLesson({ lesson: 'demo', token: link }, replying(status, body));
    expect(answer).toEqual({ ok: false, problem });
  });

  it('takes a network error for a server that is gone', async () => {
    const failing: typeof fetch = () => Promise.reject(new TypeError('network'));
    const answer = await fetchLesson({ lesson: 'demo', token: GOOD }, failing);
    expect(answer).toEqual({ ok: false, problem: 'server_gone' });
  });
});
