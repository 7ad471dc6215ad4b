/* Goal: both languages say the same things. Method: keys and placeholders are compared. */
import { expect, it } from 'vitest';
import { API_ERROR_CODES } from '../../protocol/rest';
import { PROBLEMS, problemOfApiError } from '../../core/problem';
import { REFUSAL_CODES } from '../../protocol/lesson';
import en from './en.json';
import zhCN from './zh-CN.json';

type Tree = { readonly [key: string]: string | Tree };

function flatten(tree: Tree, prefix = ''): Map<string, string> {
  return new Map(
    Object.entries(tree).flatMap(([key, value]) =>
      typeof value === 'string'
        ? [[prefix + key, value] as const]
        : [...flatten(value, `${prefix}${key}.`)],
    ),
  );
}

const chinese = flatten(zhCN);
const english = flatten(en);

it('has the same keys in both languages', () => {
  expect([...english.keys()].sort()).toEqual([...chinese.keys()].sort());
});

it.each([...chinese.keys()])('%s has text and the same placeholders', (key) => {
  const holes = (text: string) => (text.match(/{{\w+}}/g) ?? []).sort();
  const [zh, other] = [chinese.get(key) ?? '', english.get(key) ?? ''];
  expect(zh.trim() && other.trim()).not.toBe('');
  expect(holes(other)).toEqual(holes(zh));
});

it('has words for every problem and every refusal', () => {
  for (const problem of PROBLEMS) expect(chinese.has(`problem.${problem}.next`)).toBe(true);
  for (const code of REFUSAL_CODES) expect(chinese.has(`refusal.${code}`)).toBe(true);
  for (const code of API_ERROR_CODES) expect(PROBLEMS).toContain(problemOfApiError(code));
});
