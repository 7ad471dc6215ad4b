/** Keeps the screen on for the length of a lesson; asks again when the page comes back into view. */
import type { Scope } from '../observable/scope';

export function keepScreenOn(scope: Scope): void {
  if (!('wakeLock' in navigator)) return;
  let lock: WakeLockSentinel | undefined;
  const request = async (): Promise<void> => {
    if (document.visibilityState !== 'visible' || scope.isEnded) return;
    /* Refused on a nearly empty battery; the lesson goes on without it. */
    lock = await navigator.wakeLock.request('screen').catch(() => undefined);
  };
  void request();
  scope.listen(document, 'visibilitychange', () => void request());
  scope.onEnd(() => void lock?.release());
}
