import { useTranslation } from 'react-i18next';
import type { Observable } from '../core/observable/observable';
import type { Line } from '../core/view/line';
import { useObservable } from './useObservable';
import styles from './LineState.module.css';

/** The line of this page in words. */
export function LineState({ line }: { readonly line: Observable<Line> }) {
  const { t } = useTranslation();
  const word = useObservable(line);
  return (
    <span className={styles.line} role="status" data-line={word} data-testid="line-state">
      {t(`line.${word}`)}
    </span>
  );
}
