import { useTranslation } from 'react-i18next';
import type { LessonSession } from '../../core/session';
import { Icon } from '../../ui/Icon';
import { FullScreenButton } from '../../ui/FullScreenButton';
import { LanguageSwitch } from '../../ui/LanguageSwitch';
import { LectureMain, LectureThumbnail, useLectureChoice } from '../../ui/LectureView';
import { LineState } from '../../ui/LineState';
import { SiteTile } from '../../ui/SiteTile';
import { SoundOverlay } from '../../ui/SoundOverlay';
import { StageTile } from '../../ui/StageTile';
import { useLessonViews } from '../../ui/useLessonViews';
import { useObservable } from '../../ui/useObservable';
import styles from './ObserverPage.module.css';

/** The observer sees everything and touches nothing. */
export default function ObserverPage({ session }: { readonly session: LessonSession }) {
  const { t } = useTranslation();
  const { wall, stage, lecture } = useLessonViews(session);
  const { main, others, pick } = useLectureChoice(lecture);
  const { title } = useObservable(session.lesson);
  return (
    <div className={styles.page} data-testid="observer-page">
      <header className={styles.top}>
        <span className={styles.tag}>
          <Icon name="eye" /> {t('observer.tag')}
        </span>
        <h1 data-testid="lesson-title">{title || session.info.title}</h1>
        <span className={styles.note}>{t('observer.note')}</span>
        <LineState line={session.line} />
        <FullScreenButton />
        <LanguageSwitch />
      </header>
      <main className={styles.lecture}>
        <LectureMain tile={main} line={session.line} />
      </main>
      <aside className={styles.side}>
        {others.map((tile) => (
          <LectureThumbnail key={tile.id} tile={tile} onPick={pick} />
        ))}
        {stage.length > 0 && <h2>{t('stage.title')}</h2>}
        {stage.map((site) => (
          <StageTile key={site.identity} site={site} />
        ))}
        <h2>
          {t('observer.wall')}{' '}
          <span>
            {t('teacher.wall_count', {
              online: wall.filter((site) => site.isOnline).length,
              total: wall.length,
            })}
          </span>
        </h2>
        <div className={styles.wall} data-testid="wall">
          {wall.map((site) => (
            <SiteTile key={site.identity} site={site} />
          ))}
          {wall.length === 0 && <p>{t('teacher.wall_empty')}</p>}
        </div>
      </aside>
      <SoundOverlay media={session.media} />
    </div>
  );
}
