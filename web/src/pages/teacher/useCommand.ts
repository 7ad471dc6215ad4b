import { App } from 'antd';
import { useCallback } from 'react';
import { useTranslation } from 'react-i18next';
import type { LessonSession } from '../../core/session';
import type { Command } from '../../protocol/lesson';

/** Sends a command; a refusal is told in words, success shows by itself. */
export function useCommand(session: LessonSession): (command: Command) => void {
  const { message } = App.useApp();
  const { t } = useTranslation();
  return useCallback(
    (command) => {
      void session.run(command).then((result) => {
        if (!result.ok) void message.warning(t(`refusal.${result.code}`));
      });
    },
    [session, message, t],
  );
}
