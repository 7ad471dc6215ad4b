/** A lesson link: `/lesson/{id}#token=JWT`. The token stays in the fragment, which no server sees. */
import { asObject, integer } from './json';

export interface LessonLink {
  readonly lesson: string;
  readonly token: string;
}

export type Route =
  | { readonly page: 'start' }
  | { readonly page: 'lesson'; readonly lesson: string; readonly token: string | null }
  | { readonly page: 'unknown' };

export function parseRoute(path: string, fragment: string): Route {
  if (path === '/' || path === '/index.html') return { page: 'start' };
  const match = /^\/lesson\/([^/]+)\/?$/.exec(path);
  const lesson = match?.[1] === undefined ? undefined : decode(match[1]);
  if (!lesson) return { page: 'unknown' };
  return {
    page: 'lesson',
    lesson,
    token: new URLSearchParams(fragment.replace(/^#/, '')).get('token'),
  };
}

/** The same from what somebody pasted: a whole address, or only its path. */
export function parsePastedLink(pasted: string, base: string): string | undefined {
  try {
    const url = new URL(pasted.trim(), base);
    const route = parseRoute(url.pathname, url.hash);
    return route.page === 'lesson' && route.token ? `${url.pathname}${url.hash}` : undefined;
  } catch {
    return undefined;
  }
}

/** When the token ends, in seconds since 1970; undefined when it never does or cannot be read. */
export function tokenExpiry(token: string): number | undefined {
  const payload = token.split('.')[1];
  if (payload === undefined) return undefined;
  try {
    const o = asObject(JSON.parse(atob(payload.replace(/-/g, '+').replace(/_/g, '/'))));
    return o && integer(o, 'exp');
  } catch {
    return undefined;
  }
}

/** Whether the text has the shape of a JWT; only the server can tell whether it is a good one. */
export function looksLikeToken(token: string): boolean {
  return /^[\w-]+\.[\w-]+\.[\w-]*$/.test(token);
}

function decode(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}
