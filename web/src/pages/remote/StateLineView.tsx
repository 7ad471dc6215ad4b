import { useTranslation } from 'react-i18next';
import type { StateLine } from '../../core/view/state-line';
import styles from './StateLineView.module.css';

/** Where this classroom stands, readable from the last row. */
export function StateLineView({ line }: { readonly line: StateLine }) {
  const { t } = useTranslation();
  return (
    <p
      className={styles.state}
      role="status"
      aria-live="polite"
      data-tone={line.tone}
      data-word={line.word}
      data-testid="state-line"
    >
      <strong>{t(`state.${line.word}`, { place: line.handPlace })}</strong>
      {line.word === 'reconnecting' && <span>{t('state.reconnecting_hint')}</span>}
      {line.isLinePoor && line.word !== 'reconnecting' && (
        <span className={styles.poor}>{t('state.poor')}</span>
      )}
    </p>
  );
}
