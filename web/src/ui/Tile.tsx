import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import type { VideoSource } from '../core/media/types';
import { Video } from './Video';
import styles from './Tile.module.css';

interface Props {
  readonly title: string;
  readonly subtitle?: string;
  readonly video: VideoSource | null;
  readonly fit?: 'contain' | 'cover';
  readonly isMirrored?: boolean;
  readonly ring?: 'none' | 'stage' | 'hand' | 'speaking';
  readonly isDimmed?: boolean;
  /** What is said in place of a missing picture. */
  readonly placeholder?: string;
  /** Signs over the upper corners. */
  readonly corners?: ReactNode;
  readonly testId: string;
}

/** A picture with its name; the common look of every site on every page. */
export function Tile(props: Props) {
  const {
    title,
    subtitle = '',
    video,
    fit = 'cover',
    isMirrored = false,
    ring = 'none',
    testId,
  } = props;
  const { t } = useTranslation();
  return (
    <div
      className={`${styles.tile ?? ''} ${styles[ring] ?? ''} ${props.isDimmed ? (styles.dimmed ?? '') : ''}`}
      data-testid={testId}
      data-ring={ring}
    >
      {video ? (
        <Video key={video.key} source={video} label={title} fit={fit} isMirrored={isMirrored} />
      ) : (
        <span className={styles.placeholder}>{props.placeholder ?? t('tile.no_picture')}</span>
      )}
      <div className={styles.corners}>{props.corners}</div>
      <div className={styles.caption}>
        <strong>{title}</strong>
        {subtitle !== '' && subtitle !== title && <span>{subtitle}</span>}
      </div>
    </div>
  );
}
