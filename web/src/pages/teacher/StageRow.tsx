import { Button } from 'antd';
import { useTranslation } from 'react-i18next';
import type { LessonSession } from '../../core/session';
import { siteTitle, type SiteView } from '../../core/view/sites';
import { Icon } from '../../ui/Icon';
import { StageTile } from '../../ui/StageTile';
import { useCommand } from './useCommand';
import styles from './StageRow.module.css';

interface Props {
  readonly session: LessonSession;
  readonly stage: readonly SiteView[];
}

/** Those on stage, large. Absent while nobody is, so that the wall has all the room. */
export function StageRow({ session, stage }: Props) {
  const { t } = useTranslation();
  const run = useCommand(session);
  if (stage.length === 0) return null;
  return (
    <section className={styles.row} aria-label={t('stage.title')} data-testid="stage">
      {stage.map((site) => (
        <div key={site.identity} className={styles.place}>
          <StageTile site={site} />
          <Button
            className={styles.down ?? ''}
            icon={<Icon name="stageDown" />}
            onClick={() => run({ cmd: 'put_down', site: site.identity })}
            aria-label={`${t('teacher.put_down')} ${siteTitle(site)}`}
            data-testid={`stage-put-down-${site.identity}`}
          >
            {t('teacher.put_down')}
          </Button>
        </div>
      ))}
    </section>
  );
}
