/** What can go wrong so far that the lesson page gives way to another page. One word for each. */
import type { ApiErrorCode } from '../protocol/rest';

export const PROBLEMS = [
  'bad_link',
  'link_expired',
  'lesson_not_found',
  'lesson_over',
  'server_gone',
  'opened_elsewhere',
  'removed',
  'room_full',
  'server_full',
  'old_browser',
  'unknown_page',
] as const;
export type Problem = (typeof PROBLEMS)[number];

/** Such a problem may pass by itself, so the page keeps trying. */
export function isPassing(problem: Problem): boolean {
  return problem === 'server_gone' || problem === 'room_full' || problem === 'server_full';
}

export function problemOfApiError(code: ApiErrorCode): Problem {
  switch (code) {
    case 'malformed':
    case 'unauthenticated':
    case 'not_allowed':
      return 'bad_link';
    case 'token_expired':
      return 'link_expired';
    case 'lesson_not_found':
      return 'lesson_not_found';
    case 'limit_exceeded':
    case 'unavailable':
      return 'server_gone';
    default:
      return code satisfies never;
  }
}
