import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { Observable } from '../core/observable/observable';
import { arrangeLecture, type LectureTile } from '../core/view/lecture';
import type { Line } from '../core/view/line';
import { Icon } from './Icon';
import { Video } from './Video';
import { useObservable } from './useObservable';
import styles from './LectureView.module.css';

/** Which lecture picture is large: the screen by itself, another one after a click on it. */
export function useLectureChoice(tiles: readonly LectureTile[]) {
  const [picked, setPicked] = useState<string | null>(null);
  return { ...arrangeLecture(tiles, picked), pick: setPicked };
}

interface MainProps {
  readonly tile: LectureTile | null;
  readonly line: Observable<Line>;
}

/** The large picture of the lecture, or a calm word while there is none. */
export function LectureMain({ tile, line }: MainProps) {
  const { t } = useTranslation();
  const isCut = useObservable(line) === 'reconnecting';
  return (
    <section
      className={styles.main}
      aria-label={t('lecture.region')}
      data-testid="lecture-main"
      data-kind={tile?.kind ?? 'none'}
    >
      {tile ? (
        <Video key={tile.id} source={tile.video} label={titleOf(tile, t)} fit="contain" />
      ) : (
        <div className={styles.waiting}>
          <img src="/tongke.svg" alt="" width={72} height={72} />
          <strong>{t(isCut ? 'state.reconnecting' : 'lecture.waiting')}</strong>
          <span>{t(isCut ? 'state.reconnecting_hint' : 'lecture.waiting_hint')}</span>
        </div>
      )}
    </section>
  );
}

interface ThumbnailProps {
  readonly tile: LectureTile;
  readonly onPick: (id: string) => void;
}

/** A small lecture picture; a click makes it the large one. */
export function LectureThumbnail({ tile, onPick }: ThumbnailProps) {
  const { t } = useTranslation();
  const title = titleOf(tile, t);
  return (
    <button
      type="button"
      className={styles.thumbnail}
      onClick={() => onPick(tile.id)}
      aria-label={t('tile.enlarge', { name: title })}
      data-testid={`enlarge-${tile.kind}`}
    >
      <Video
        key={tile.id}
        source={tile.video}
        label={title}
        fit={tile.kind === 'screen' ? 'contain' : 'cover'}
      />
      <span className={styles.name}>{title}</span>
      <span className={styles.sign}>
        <Icon name="full" size={18} />
      </span>
    </button>
  );
}

type Translate = ReturnType<typeof useTranslation>['t'];

function titleOf(tile: LectureTile, t: Translate): string {
  return tile.kind === 'screen' ? t('tile.screen', { name: tile.title }) : tile.title;
}
