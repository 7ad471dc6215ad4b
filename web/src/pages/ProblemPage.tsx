import { useTranslation } from 'react-i18next';
import { isPassing, type Problem } from '../core/problem';
import { LanguageSwitch } from '../ui/LanguageSwitch';
import styles from './Plain.module.css';

interface Props {
  readonly problem: Problem;
  readonly onRetry: () => void;
}

/** What is wrong and what to do next, in plain words. */
export function ProblemPage({ problem, onRetry }: Props) {
  const { t } = useTranslation();
  const canRetry = isPassing(problem) || problem === 'opened_elsewhere' || problem === 'removed';
  return (
    <main className={styles.page} data-testid={`problem-${problem}`}>
      <div className={styles.card} role="alert">
        <img src="/tongke.svg" alt="" width={56} height={56} />
        <h1>{t(`problem.${problem}.title`)}</h1>
        <p>{t(`problem.${problem}.text`)}</p>
        <p className={styles.next}>{t(`problem.${problem}.next`)}</p>
        {isPassing(problem) && <p className={styles.busy}>{t('problem.retrying')}</p>}
        <div className={styles.buttons}>
          {canRetry && (
            <button type="button" className={styles.primary} onClick={onRetry} data-testid="retry">
              {t(isPassing(problem) ? 'problem.retry' : 'problem.use_here')}
            </button>
          )}
          {problem !== 'lesson_over' && (
            <a className={styles.secondary} href="/" data-testid="home">
              {t('problem.home')}
            </a>
          )}
        </div>
      </div>
      <LanguageSwitch />
    </main>
  );
}
