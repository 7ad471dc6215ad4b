import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { LessonSession } from '../../core/session';
import { Icon } from '../../ui/Icon';
import { useObservable } from '../../ui/useObservable';
import styles from './HandButton.module.css';

/** The one big button. */
export function HandButton({ session }: { readonly session: LessonSession }) {
  const { t } = useTranslation();
  const [isSending, setSending] = useState(false);
  const me = useObservable(session.lesson).sites.get(session.info.you.identity);
  const isUp = me?.hand ?? false;
  const click = async (): Promise<void> => {
    setSending(true);
    await session.run({ cmd: isUp ? 'lower_hand' : 'raise_hand' });
    setSending(false);
  };
  return (
    <button
      type="button"
      className={`${styles.hand ?? ''} ${isUp ? (styles.up ?? '') : ''}`}
      aria-pressed={isUp}
      aria-busy={isSending}
      disabled={isSending}
      onClick={() => void click()}
      data-testid="hand"
    >
      <Icon name="hand" size={40} />
      {t(isUp ? 'hand.lower' : 'hand.raise')}
    </button>
  );
}
