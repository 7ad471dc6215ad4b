/**
 * How long to wait before try number `attempt` (from 0), in milliseconds: doubling from 250 ms up to
 * 3 s, with a spread so that forty classrooms do not come back in the same instant. The longest wait
 * is short on purpose: pages are back within 10 s of the server's return.
 */
export const RETRY_DELAY_MS_FIRST = 250;
export const RETRY_DELAY_MS_MAX = 3_000;

export function retryDelayMs(attempt: number, random: () => number = Math.random): number {
  const full = Math.min(RETRY_DELAY_MS_MAX, RETRY_DELAY_MS_FIRST * 2 ** Math.min(attempt, 10));
  return Math.round(full * (0.7 + 0.3 * random()));
}
