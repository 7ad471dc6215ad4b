import { Button } from 'antd';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { videoSourceOf } from '../../core/media/video-source';
import type { LessonSession } from '../../core/session';
import type { LectureTile } from '../../core/view/lecture';
import { Icon } from '../../ui/Icon';
import { LevelBar } from '../../ui/LevelBar';
import { Tile } from '../../ui/Tile';
import { useObservable } from '../../ui/useObservable';
import { DevicePicker } from './DevicePicker';
import styles from './OwnPanel.module.css';

interface Props {
  readonly session: LessonSession;
  readonly lecture: readonly LectureTile[];
}

/** The lecture side as the teacher sees it: own picture, devices, other pictures of the lecture site. */
export function OwnPanel({ session, lecture }: Props) {
  const { t } = useTranslation();
  const [isOpen, setOpen] = useState(false);
  const microphone = useObservable(session.devices.microphone.track);
  const others = lecture.filter((tile) => tile.identity !== session.info.you.identity);
  return (
    <aside className={styles.panel}>
      <OwnPreview session={session} />
      <Button
        className={styles.toggle ?? ''}
        icon={<Icon name="gear" />}
        onClick={() => setOpen(!isOpen)}
        aria-expanded={isOpen}
        data-testid="toggle-devices"
      >
        {t('teacher.collapse')}
      </Button>
      <div className={`${styles.devices ?? ''} ${isOpen ? (styles.open ?? '') : ''}`}>
        <LevelBar track={microphone} />
        <DevicePicker device={session.devices.microphone} />
        <DevicePicker device={session.devices.camera} />
      </div>
      {others.length > 0 && (
        <section className={styles.others} aria-label={t('teacher.lecture_sites')}>
          <h2>{t('teacher.lecture_sites')}</h2>
          {others.map((tile) => (
            <Tile
              key={tile.id}
              title={tile.kind === 'screen' ? t('tile.screen', { name: tile.title }) : tile.title}
              video={tile.video}
              fit={tile.kind === 'screen' ? 'contain' : 'cover'}
              testId={`lecture-${tile.identity}-${tile.kind}`}
            />
          ))}
        </section>
      )}
    </aside>
  );
}

function OwnPreview({ session }: { readonly session: LessonSession }) {
  const { t } = useTranslation();
  const camera = useObservable(session.devices.camera.track);
  const isOff = useObservable(session.isCameraOff);
  const screen = useObservable(session.screenShare.track);
  const video = useMemo(() => {
    if (screen) return videoSourceOf(screen);
    return camera && !isOff ? videoSourceOf(camera) : null;
  }, [camera, isOff, screen]);
  return (
    <Tile
      title={screen ? t('teacher.sharing') : t('teacher.preview')}
      video={video}
      isMirrored={!screen}
      fit={screen ? 'contain' : 'cover'}
      placeholder={t(isOff ? 'teacher.camera_is_off' : 'tile.no_picture')}
      testId="own-preview"
    />
  );
}
