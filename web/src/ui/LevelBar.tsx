import { useTranslation } from 'react-i18next';
import { useLevel } from './useLevel';
import styles from './LevelBar.module.css';

/** The level of a microphone; moves also while it is closed to others, so that it can be tried. */
export function LevelBar({ track }: { readonly track: MediaStreamTrack | null }) {
  const { t } = useTranslation();
  const level = useLevel(track);
  return (
    <div
      className={styles.bar}
      role="meter"
      aria-label={t('teacher.level')}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(level * 100)}
      data-testid="level-meter"
    >
      <div className={styles.fill} style={{ transform: `scaleX(${level})` }} />
    </div>
  );
}
