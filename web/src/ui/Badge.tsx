import type { ReactNode } from 'react';
import styles from './Badge.module.css';

interface Props {
  readonly tone: 'hand' | 'stage' | 'mic' | 'plain' | 'warning';
  readonly label: string;
  readonly children: ReactNode;
  readonly isPushed?: boolean;
}

/** A small sign over a picture. What it means is said in words for those who hear the page. */
export function Badge({ tone, label, children, isPushed = false }: Props) {
  return (
    <span
      className={`${styles.badge ?? ''} ${styles[tone] ?? ''} ${isPushed ? (styles.pushed ?? '') : ''}`}
      role="img"
      aria-label={label}
      title={label}
    >
      {children}
    </span>
  );
}
