/** Asks the server about the lesson behind a link. */
import { tokenExpiry, type LessonLink } from '../protocol/link';
import { lessonPath, parseApiError, parseLessonInfo, type LessonInfo } from '../protocol/rest';
import { problemOfApiError, type Problem } from './problem';

export type LessonAnswer =
  | { readonly ok: true; readonly info: LessonInfo }
  | { readonly ok: false; readonly problem: Problem };

const ANSWER_TIMEOUT_MS = 8_000;

export async function fetchLesson(
  { lesson, token }: LessonLink,
  fetcher = fetch,
): Promise<LessonAnswer> {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), ANSWER_TIMEOUT_MS);
  try {
    const reply = await fetcher(lessonPath(lesson), {
      headers: { Authorization: `Bearer ${token}` },
      cache: 'no-store',
      signal: abort.signal,
    });
    const body: unknown = await reply.json().catch(() => undefined);
    if (!reply.ok) return { ok: false, problem: refine(reply.status, body, token) };
    const info = parseLessonInfo(body);
    if (!info) return { ok: false, problem: 'server_gone' };
    return info.status === 'ended' ? { ok: false, problem: 'lesson_over' } : { ok: true, info };
  } catch {
    return { ok: false, problem: 'server_gone' };
  } finally {
    clearTimeout(timer);
  }
}

/* An expired token may be reported as merely unauthenticated; its own date tells the two apart. */
function refine(status: number, body: unknown, token: string): Problem {
  const problem = problemOfApiError(parseApiError(status, body));
  const expiry = tokenExpiry(token);
  const hasExpired = expiry !== undefined && expiry * 1000 < Date.now();
  return problem === 'bad_link' && hasExpired ? 'link_expired' : problem;
}
