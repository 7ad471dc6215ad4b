/* Goal: every problem says what it is, what to do next, and offers the step. Method: by role. */
import { render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, it, vi } from 'vitest';
import { PROBLEMS } from '../core/problem';
import { ProblemPage } from './ProblemPage';

it.each(PROBLEMS)('%s has a title and a next step', (problem) => {
  render(<ProblemPage problem={problem} onRetry={vi.fn()} />);
  expect(screen.getByRole('heading', { level: 1 }).textContent).not.toBe('');
  expect(screen.getByRole('alert').querySelectorAll('p').length).toBeGreaterThan(1);
});

it('lets one take the lesson over from elsewhere', async () => {
  const retry = vi.fn();
  render(<ProblemPage problem="opened_elsewhere" onRetry={retry} />);
  await userEvent.click(screen.getByRole('button', { name: '在这里上课' }));
  expect(retry).toHaveBeenCalledOnce();
});

it('says that it keeps trying while the server is gone', () => {
  render(<ProblemPage problem="server_gone" onRetry={vi.fn()} />);
  expect(screen.getByText('正在自动重试…')).toBeDefined();
});

it('changes the language by the switch', async () => {
  render(<ProblemPage problem="lesson_over" onRetry={vi.fn()} />);
  await userEvent.click(screen.getByRole('button', { name: 'English' }));
  expect(await screen.findByRole('heading', { name: 'The lesson is over' })).toBeDefined();
  await userEvent.click(screen.getByRole('button', { name: '中文' }));
  expect(document.documentElement.lang).toBe('zh-CN');
});
