/* Goal: silence is 0, speech is in between, shouting is 1. Method: synthetic samples. */
import { expect, it } from 'vitest';
import { levelOf } from './level-meter';

it.each([
  [0, 0],
  [0.001, 0],
  [0.05, 0.65],
  [1, 1],
])('samples of %f give %f', (amplitude, level) => {
  expect(levelOf(new Float32Array(256).fill(amplitude))).toBeCloseTo(level, 1);
});
