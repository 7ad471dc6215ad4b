import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import { videoSourceOf } from '../../core/media/video-source';
import { derive } from '../../core/observable/observable';
import type { LessonSession } from '../../core/session';
import { stateLineOf } from '../../core/view/state-line';
import { DeviceNotices } from '../../ui/DeviceNotices';
import { FullScreenButton } from '../../ui/FullScreenButton';
import { LanguageSwitch } from '../../ui/LanguageSwitch';
import { LectureMain, LectureThumbnail, useLectureChoice } from '../../ui/LectureView';
import { SoundOverlay } from '../../ui/SoundOverlay';
import { StageTile } from '../../ui/StageTile';
import { Tile } from '../../ui/Tile';
import { useLessonViews } from '../../ui/useLessonViews';
import { useObservable } from '../../ui/useObservable';
import { HandButton } from './HandButton';
import { OwnButtons } from './OwnButtons';
import { StateLineView } from './StateLineView';
import styles from './RemotePage.module.css';

/** The far classroom: the lecture fills the screen; nothing has to be touched. */
export default function RemotePage({ session }: { readonly session: LessonSession }) {
  const { t } = useTranslation();
  const { stage, lecture } = useLessonViews(session);
  const { main, others, pick } = useLectureChoice(lecture);
  const ownVideo = useOwnVideo(session);
  const me = session.info.you.identity;
  const isOnStage = stage.some((site) => site.identity === me);
  return (
    <div className={styles.page} data-testid="remote-page">
      <DeviceNotices devices={session.devices} />
      <div className={styles.lecture}>
        <LectureMain tile={main} line={session.line} />
        <div className={styles.corner}>
          <FullScreenButton />
          <LanguageSwitch />
        </div>
      </div>
      {others.length + stage.length > 0 && (
        <aside className={styles.side} aria-label={t('stage.title')}>
          {others.map((tile) => (
            <LectureThumbnail key={tile.id} tile={tile} onPick={pick} />
          ))}
          {stage.map((site) =>
            site.identity === me ? (
              <StageTile key={site.identity} site={site} ownVideo={ownVideo} />
            ) : (
              <StageTile key={site.identity} site={site} />
            ),
          )}
        </aside>
      )}
      <footer className={`${styles.bar ?? ''} ${isOnStage ? (styles.onStage ?? '') : ''}`}>
        {!isOnStage && (
          <div className={styles.own}>
            <Tile title="" video={ownVideo} isMirrored testId="own-preview" />
          </div>
        )}
        <StateLineView line={useStateLine(session, lecture.length > 0)} />
        <OwnButtons session={session} />
        <HandButton session={session} />
      </footer>
      <SoundOverlay media={session.media} />
    </div>
  );
}

function useOwnVideo(session: LessonSession) {
  const track = useObservable(session.devices.camera.track);
  return useMemo(() => (track ? videoSourceOf(track) : null), [track]);
}

function useStateLine(session: LessonSession, hasLecture: boolean) {
  const line = useMemo(
    () =>
      derive([session.lesson, session.line], (state, word) =>
        stateLineOf(state, session.info.you.identity, word, hasLecture),
      ),
    [session, hasLecture],
  );
  return useObservable(line);
}
