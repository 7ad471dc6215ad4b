import { useTranslation } from 'react-i18next';
import type { LineQuality } from '../core/media/types';
import { Badge } from './Badge';
import styles from './QualityBars.module.css';

const BARS: Record<LineQuality, number> = { unknown: 0, lost: 0, poor: 1, good: 2, excellent: 3 };

/** The line of a site as three bars. */
export function QualityBars({ quality }: { readonly quality: LineQuality }) {
  const { t } = useTranslation();
  const isBad = quality === 'poor' || quality === 'lost';
  return (
    <Badge tone={isBad ? 'warning' : 'plain'} label={t(`quality.${quality}`)} isPushed>
      <span className={styles.bars} data-quality={quality}>
        {[1, 2, 3].map((bar) => (
          <i key={bar} className={bar <= BARS[quality] ? styles.lit : ''} />
        ))}
      </span>
    </Badge>
  );
}
