import { useTranslation } from 'react-i18next';
import type { LessonSession } from '../../core/session';
import { Icon } from '../../ui/Icon';
import { useObservable } from '../../ui/useObservable';
import styles from './OwnButtons.module.css';

/** What a local teacher may give back: the floor, the place on stage. Shown only while it has them. */
export function OwnButtons({ session }: { readonly session: LessonSession }) {
  const { t } = useTranslation();
  const { identity } = session.info.you;
  const me = useObservable(session.lesson).sites.get(identity);
  if (!me || !(me.floor || me.stage)) return null;
  return (
    <div className={styles.buttons}>
      {me.floor && (
        <button
          type="button"
          onClick={() => void session.run({ cmd: 'take_floor', site: identity })}
          data-testid="own-close-microphone"
        >
          <Icon name="micOff" /> {t('own.close_microphone')}
        </button>
      )}
      {me.stage && (
        <button
          type="button"
          onClick={() => void session.run({ cmd: 'put_down', site: identity })}
          data-testid="own-leave-stage"
        >
          <Icon name="stageDown" /> {t('own.leave_stage')}
        </button>
      )}
    </div>
  );
}
