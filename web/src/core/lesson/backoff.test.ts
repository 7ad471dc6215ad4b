/* Goal: waits grow, stay under the maximum and never reach zero. Method: a table. */
import { expect, it } from 'vitest';
import { RETRY_DELAY_MS_MAX, retryDelayMs } from './backoff';

it.each([
  [0, 250],
  [1, 500],
  [3, 2_000],
  [4, RETRY_DELAY_MS_MAX],
  [1_000_000, RETRY_DELAY_MS_MAX],
])('try %i waits at most %i ms', (attempt, most) => {
  expect(retryDelayMs(attempt, () => 1)).toBe(most);
  expect(retryDelayMs(attempt, () => 0)).toBe(most * 0.7);
});
