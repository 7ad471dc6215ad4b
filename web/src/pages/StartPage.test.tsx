/* Goal: a pasted link is checked before it is followed. Method: typing like a user. */
import { render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, it } from 'vitest';
import { StartPage } from './StartPage';

it('says what is wrong with half a link', async () => {
  render(<StartPage />);
  const button = screen.getByRole('button', { name: '进入课堂' });
  expect(button).toHaveProperty('disabled', true);
  await userEvent.type(screen.getByLabelText('课堂链接'), 'http://school/lesson/demo');
  await userEvent.click(button);
  expect(screen.getByRole('alert').textContent).toContain('不是完整的课堂链接');
  expect(screen.getByLabelText('课堂链接').getAttribute('aria-invalid')).toBe('true');
});
