/** The REST calls that the pages make (docs/lesson-log.md, "REST"). */
import { asObject, oneOf, text } from './json';
import {
  LESSON_KINDS,
  LESSON_STATUSES,
  ROLES,
  type LessonKind,
  type LessonStatus,
  type Role,
} from './lesson';

export interface LessonInfo {
  readonly id: string;
  readonly title: string;
  readonly kind: LessonKind;
  readonly status: LessonStatus;
  readonly you: {
    readonly identity: string;
    readonly name: string;
    readonly school: string;
    readonly role: Role;
  };
}

export const API_ERROR_CODES = [
  'malformed',
  'unauthenticated',
  'token_expired',
  'not_allowed',
  'lesson_not_found',
  'limit_exceeded',
  'unavailable',
] as const;
export type ApiErrorCode = (typeof API_ERROR_CODES)[number];

export function lessonPath(id: string): string {
  return `/api/v1/lessons/${encodeURIComponent(id)}`;
}

export function logPath(id: string, after: number, token: string): string {
  return `${lessonPath(id)}/log?after=${after}&access_token=${encodeURIComponent(token)}`;
}

export function parseLessonInfo(value: unknown): LessonInfo | undefined {
  const o = asObject(value);
  const you = asObject(o?.['you']);
  const role = oneOf(you?.['role'], ROLES);
  const status = oneOf(o?.['status'], LESSON_STATUSES);
  if (!o || !you || !role || !status) return undefined;
  return {
    id: text(o, 'id'),
    title: text(o, 'title'),
    kind: oneOf(o['kind'], LESSON_KINDS) ?? 'class',
    status,
    you: {
      identity: text(you, 'identity'),
      name: text(you, 'name'),
      school: text(you, 'school'),
      role,
    },
  };
}

/** The code of an error reply; from the HTTP status when the body has none that is known. */
export function parseApiError(status: number, body: unknown): ApiErrorCode {
  const code = oneOf(asObject(asObject(body)?.['error'])?.['code'], API_ERROR_CODES);
  if (code) return code;
  switch (status) {
    case 400:
      return 'malformed';
    case 401:
      return 'unauthenticated';
    case 403:
      return 'not_allowed';
    case 404:
      return 'lesson_not_found';
    case 429:
      return 'limit_exceeded';
    default:
      return 'unavailable';
  }
}
