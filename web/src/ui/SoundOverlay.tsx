import { useEffect, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import type { MediaRoom } from '../core/media/media-room';
import { Icon } from './Icon';
import { useObservable } from './useObservable';
import styles from './SoundOverlay.module.css';

/** Covers the page only while the browser keeps the sound off; any click or key starts it. */
export function SoundOverlay({ media }: { readonly media: MediaRoom }) {
  const { t } = useTranslation();
  const isBlocked = useObservable(media.isSoundBlocked);
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (isBlocked) button.current?.focus();
  }, [isBlocked]);
  if (!isBlocked) return null;
  return (
    <button
      ref={button}
      type="button"
      className={styles.overlay}
      onClick={() => void media.startSound()}
      data-testid="start-sound"
    >
      <span className={styles.sign}>
        <Icon name="sound" size={56} />
      </span>
      <strong>{t('sound.start')}</strong>
      <span>{t('sound.hint')}</span>
    </button>
  );
}
