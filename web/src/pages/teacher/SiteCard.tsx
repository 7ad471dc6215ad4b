import { Button } from 'antd';
import { useTranslation } from 'react-i18next';
import { siteTitle, type SiteView } from '../../core/view/sites';
import type { Command } from '../../protocol/lesson';
import { Icon } from '../../ui/Icon';
import { SiteTile } from '../../ui/SiteTile';
import styles from './SiteCard.module.css';

interface Props {
  readonly site: SiteView;
  readonly run: (command: Command) => void;
}

/** One far classroom on the teacher's wall: its picture, and what one click does with it. */
export function SiteCard({ site, run }: Props) {
  const { t } = useTranslation();
  const { identity, isOnStage, hasFloor, handPlace } = site;
  const title = siteTitle(site);
  const stageLabel = t(isOnStage ? 'teacher.put_down' : 'teacher.call');
  const microphoneLabel = t(hasFloor ? 'teacher.close_microphone' : 'teacher.open_microphone');
  return (
    <article className={styles.card} aria-label={title} data-testid={`site-${identity}`}>
      <SiteTile site={site} />
      <div className={styles.buttons}>
        <Button
          className={styles.wide ?? ''}
          type={isOnStage ? 'default' : 'primary'}
          icon={<Icon name={isOnStage ? 'stageDown' : 'stage'} />}
          disabled={!site.isOnline && !isOnStage}
          onClick={() => run({ cmd: isOnStage ? 'put_down' : 'call_on_stage', site: identity })}
          aria-label={`${stageLabel} ${title}`}
          data-testid={`${isOnStage ? 'put-down' : 'call'}-${identity}`}
        >
          {stageLabel}
        </Button>
        {handPlace > 0 && (
          <Button
            className={styles.hand ?? ''}
            icon={<Icon name="hand" />}
            onClick={() => run({ cmd: 'lower_hand', site: identity })}
            aria-label={`${t('teacher.lower_hand')} ${title}`}
            title={t('teacher.lower_hand')}
            data-testid={`lower-hand-${identity}`}
          />
        )}
        <Button
          className={hasFloor ? (styles.open ?? '') : ''}
          icon={<Icon name={hasFloor ? 'mic' : 'micOff'} />}
          disabled={!site.isOnline && !hasFloor}
          onClick={() => run({ cmd: hasFloor ? 'take_floor' : 'give_floor', site: identity })}
          aria-pressed={hasFloor}
          aria-label={`${microphoneLabel} ${title}`}
          title={microphoneLabel}
          data-testid={`${hasFloor ? 'take-floor' : 'give-floor'}-${identity}`}
        />
      </div>
    </article>
  );
}
