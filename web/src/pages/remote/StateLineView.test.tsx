/* Goal: the state line is said aloud and names trouble. Method: by role. */
import { render, screen } from '@testing-library/react';
import { expect, it } from 'vitest';
import { StateLineView } from './StateLineView';

it.each([
  ['on_stage', '您在台上'],
  ['microphone_open', '您的麦克风开着'],
  ['reconnecting', '正在重新连接'],
] as const)('%s', (word, text) => {
  render(<StateLineView line={{ word, tone: 'active', handPlace: 0, isLinePoor: false }} />);
  const line = screen.getByRole('status');
  expect(line.textContent).toContain(text);
  expect(line.getAttribute('aria-live')).toBe('polite');
});

it('adds that the line is poor but holds', () => {
  render(
    <StateLineView line={{ word: 'hand_up', tone: 'waiting', handPlace: 3, isLinePoor: true }} />,
  );
  expect(screen.getByRole('status').textContent).toMatch(/第 3 位.*线路较差.仍在连接/);
});
