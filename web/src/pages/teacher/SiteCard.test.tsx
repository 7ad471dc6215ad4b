/* Goal: one click per deed, named for those who hear the page. Method: by role and label. */
import { render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { describe, expect, it, vi } from 'vitest';
import type { SiteView } from '../../core/view/sites';
import { SiteCard } from './SiteCard';

const quiet: SiteView = {
  identity: 'shiqiao',
  name: '三年级',
  school: '石桥教学点',
  isOnline: true,
  handPlace: 0,
  isOnStage: false,
  hasFloor: false,
  microphone: 'muted',
  isSpeaking: false,
  quality: 'good',
  camera: null,
};

describe('a far classroom on the wall', () => {
  it.each([
    ['请上台 石桥教学点', {}, { cmd: 'call_on_stage', site: 'shiqiao' }],
    ['请下台 石桥教学点', { isOnStage: true }, { cmd: 'put_down', site: 'shiqiao' }],
    ['开麦克风 石桥教学点', {}, { cmd: 'give_floor', site: 'shiqiao' }],
    ['关麦克风 石桥教学点', { hasFloor: true }, { cmd: 'take_floor', site: 'shiqiao' }],
    ['放下手 石桥教学点', { handPlace: 2 }, { cmd: 'lower_hand', site: 'shiqiao' }],
  ] as const)('%s', async (label, patch, command) => {
    const run = vi.fn();
    render(<SiteCard site={{ ...quiet, ...patch }} run={run} />);
    await userEvent.click(screen.getByRole('button', { name: label }));
    expect(run).toHaveBeenCalledExactlyOnceWith(command);
  });

  it('shows hand, line and microphone in words', () => {
    render(
      <SiteCard
        site={{ ...quiet, handPlace: 2, quality: 'poor', hasFloor: true, microphone: 'open' }}
        run={vi.fn()}
      />,
    );
    for (const label of ['举手,第 2 位', '线路较差', '麦克风开着'])
      expect(screen.getByRole('img', { name: label.replace(',', '\uff0c') })).toBeDefined();
  });

  it('offers nothing to a site that has left, except to take it down', () => {
    const { rerender } = render(<SiteCard site={{ ...quiet, isOnline: false }} run={vi.fn()} />);
    for (const button of screen.getAllByRole('button'))
      expect(button).toHaveProperty('disabled', true);
    rerender(
      <SiteCard
        site={{ ...quiet, isOnline: false, isOnStage: true, hasFloor: true }}
        run={vi.fn()}
      />,
    );
    for (const button of screen.getAllByRole('button'))
      expect(button).toHaveProperty('disabled', false);
  });
});
