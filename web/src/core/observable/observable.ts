/**
 * The one way to hold state: a read-only value that is always there and tells when it changes.
 * React reads it through `useObservable`; a `Scope` ends what was started.
 */

export interface Observable<T> {
  readonly value: T;
  /** Calls `listener` after each change; gives back the function that ends it. */
  readonly subscribe: (listener: () => void) => () => void;
}

export interface Value<T> extends Observable<T> {
  readonly set: (next: T) => void;
}

export function createValue<T>(initial: T): Value<T> {
  let current = initial;
  const listeners = new Set<() => void>();
  return {
    get value() {
      return current;
    },
    set(next) {
      if (Object.is(next, current)) return;
      current = next;
      for (const listener of [...listeners]) listener();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
  };
}

type Values<S extends readonly Observable<unknown>[]> = {
  readonly [K in keyof S]: S[K] extends Observable<infer T> ? T : never;
};

/** A value computed from others. It is computed anew only when one of them has changed. */
export function derive<const S extends readonly Observable<unknown>[], T>(
  sources: S,
  compute: (...values: Values<S>) => T,
): Observable<T> {
  let inputs: readonly unknown[] | undefined;
  let cached: T;
  const read = (): T => {
    const now = sources.map((source) => source.value);
    if (!inputs || now.some((value, i) => !Object.is(value, inputs?.[i]))) {
      inputs = now;
      cached = compute(...(now as unknown as Values<S>));
    }
    return cached;
  };
  return {
    get value() {
      return read();
    },
    subscribe(listener) {
      const ends = sources.map((source) => source.subscribe(listener));
      return () => ends.forEach((end) => end());
    },
  };
}
