import { useTranslation } from 'react-i18next';
import type { LessonSession } from '../../core/session';
import type { SiteView } from '../../core/view/sites';
import { LanguageSwitch } from '../../ui/LanguageSwitch';
import { LineState } from '../../ui/LineState';
import { useObservable } from '../../ui/useObservable';
import styles from './TopBar.module.css';

interface Props {
  readonly session: LessonSession;
  readonly wall: readonly SiteView[];
}

export function TopBar({ session, wall }: Props) {
  const { t } = useTranslation();
  const { title } = useObservable(session.lesson);
  const hands = wall.filter((site) => site.handPlace > 0).length;
  return (
    <header className={styles.bar}>
      <img src="/tongke.svg" alt="" width={32} height={32} />
      <h1 data-testid="lesson-title">{title || session.info.title}</h1>
      <span className={styles.role}>{t('role.lecture')}</span>
      <span
        className={hands > 0 ? styles.hands : 'visually-hidden'}
        role="status"
        data-testid="hand-count"
      >
        {hands > 0 && t('teacher.hands', { count: hands })}
      </span>
      <span className={styles.space} />
      <LineState line={session.line} />
      <LanguageSwitch />
    </header>
  );
}
