/* Goal: a value tells every change once; a derived value is computed only when it must be. */
import { describe, expect, it, vi } from 'vitest';
import { createValue, derive } from './observable';
import { Scope } from './scope';

describe('a value', () => {
  it('tells changes, and only changes', () => {
    const value = createValue(1);
    const listener = vi.fn();
    const end = value.subscribe(listener);
    value.set(1);
    value.set(2);
    end();
    value.set(3);
    expect(listener).toHaveBeenCalledTimes(1);
    expect(value.value).toBe(3);
  });
});

describe('a derived value', () => {
  it('keeps its result until a source changes', () => {
    const a = createValue(1);
    const b = createValue(10);
    const compute = vi.fn((x: number, y: number) => ({ sum: x + y }));
    const sum = derive([a, b], compute);
    expect(sum.value).toBe(sum.value);
    a.set(2);
    expect(sum.value.sum).toBe(12);
    expect(compute).toHaveBeenCalledTimes(2);
  });

  it('leaves nothing behind when it is no longer watched', () => {
    const a = createValue(1);
    const listener = vi.fn();
    derive([a], (x) => x).subscribe(listener)();
    a.set(2);
    expect(listener).not.toHaveBeenCalled();
  });
});

describe('a scope', () => {
  it('ends what it began, last first, once', () => {
    const order: number[] = [];
    const scope = new Scope();
    scope.onEnd(() => order.push(1));
    scope.onEnd(() => order.push(2));
    scope.end();
    scope.end();
    scope.onEnd(() => order.push(3));
    expect(order).toEqual([2, 1, 3]);
  });
});
