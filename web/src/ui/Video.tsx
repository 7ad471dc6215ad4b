import { useEffect, useRef } from 'react';
import type { VideoSource } from '../core/media/types';
import styles from './Video.module.css';

interface Props {
  readonly source: VideoSource;
  readonly label: string;
  /** `contain` shows everything (slides), `cover` fills the tile (people). */
  readonly fit: 'contain' | 'cover';
  readonly isMirrored?: boolean;
}

/** One picture; its sound, if any, is played elsewhere. */
export function Video({ source, label, fit, isMirrored = false }: Props) {
  const ref = useRef<HTMLVideoElement>(null);
  useEffect(() => (ref.current ? source.attach(ref.current) : undefined), [source]);
  const className = [styles.video, styles[fit], isMirrored ? styles.mirrored : ''].join(' ');
  return (
    <video
      ref={ref}
      className={className}
      aria-label={label}
      autoPlay
      playsInline
      muted
      disablePictureInPicture
    />
  );
}
