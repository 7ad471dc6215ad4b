/* Goal: links, whole, broken and pasted, are read as they are meant. Method: tables. */
import { expect, it } from 'vitest';
import { looksLikeToken, parsePastedLink, parseRoute, tokenExpiry } from './link';

it.each([
  ['/', '', { page: 'start' }],
  ['/lesson/demo', '#token=a.b.c', { page: 'lesson', lesson: 'demo', token: 'a.b.c' }],
  ['/lesson/demo/', '', { page: 'lesson', lesson: 'demo', token: null }],
  ['/lesson/%E8%AF%BE', '#token=x', { page: 'lesson', lesson: '课', token: 'x' }],
  ['/lesson/%E8', '', { page: 'unknown' }],
  ['/lesson/', '', { page: 'unknown' }],
  ['/lesson/a/b', '', { page: 'unknown' }],
  ['/admin', '', { page: 'unknown' }],
])('route %s%s', (path, fragment, route) => {
  expect(parseRoute(path, fragment)).toEqual(route);
});

it.each([
  [' http://school:7880/lesson/demo#token=a.b.c ', '/lesson/demo#token=a.b.c'],
  ['/lesson/demo#token=a.b.c', '/lesson/demo#token=a.b.c'],
  ['http://school:7880/lesson/demo', undefined],
  ['hello', undefined],
  ['http://', undefined],
])('pasted %s', (pasted, link) => {
  expect(parsePastedLink(pasted, 'http://here')).toBe(link);
});

it('reads the end of a token', () => {
  expect(tokenExpiry(`h.${btoa('{"exp":12}')}.s`)).toBe(12);
  expect(tokenExpiry('h.%%%.s')).toBeUndefined();
  expect(tokenExpiry('')).toBeUndefined();
  expect(looksLikeToken('a.b.c')).toBe(true);
  expect(looksLikeToken('a.b')).toBe(false);
});
