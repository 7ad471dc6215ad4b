import { useSyncExternalStore } from 'react';
import type { Observable } from '../core/observable/observable';

/** The one bridge from `core` to React: the current value, and a new drawing when it changes. */
export function useObservable<T>(observable: Observable<T>): T {
  return useSyncExternalStore(observable.subscribe, () => observable.value);
}
