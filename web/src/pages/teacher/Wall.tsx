import { useTranslation } from 'react-i18next';
import type { LessonSession } from '../../core/session';
import type { SiteView } from '../../core/view/sites';
import { SiteCard } from './SiteCard';
import { useCommand } from './useCommand';
import styles from './Wall.module.css';

interface Props {
  readonly session: LessonSession;
  readonly sites: readonly SiteView[];
}

/** Every far classroom; those with a raised hand come first. */
export function Wall({ session, sites }: Props) {
  const { t } = useTranslation();
  const run = useCommand(session);
  const online = sites.filter((site) => site.isOnline).length;
  return (
    <section aria-label={t('teacher.wall')} data-testid="wall">
      <h2 className={styles.heading}>
        {t('teacher.wall')} <span>{t('teacher.wall_count', { online, total: sites.length })}</span>
      </h2>
      {sites.length === 0 ? (
        <p className={styles.empty}>
          <strong>{t('teacher.wall_empty')}</strong>
          {t('teacher.wall_empty_hint')}
        </p>
      ) : (
        <ul className={styles.grid}>
          {sites.map((site) => (
            <li key={site.identity}>
              <SiteCard site={site} run={run} />
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
