import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import type { VideoSource } from '../core/media/types';
import { siteTitle, type SiteView } from '../core/view/sites';
import { Badge } from './Badge';
import { Icon } from './Icon';
import { Tile } from './Tile';

interface Props {
  readonly site: SiteView;
  /** The site of this page shows its own picture without the way through the server. */
  readonly ownVideo?: VideoSource | null;
  readonly corners?: ReactNode;
}

/** Somebody on stage, or somebody heard. */
export function StageTile({ site, ownVideo, corners }: Props) {
  const { t } = useTranslation();
  const isMe = ownVideo !== undefined;
  return (
    <Tile
      title={isMe ? t('tile.me') : siteTitle(site)}
      subtitle={isMe ? '' : site.name}
      video={ownVideo ?? site.camera}
      isMirrored={isMe}
      isDimmed={!site.isOnline}
      placeholder={t(site.isOnline ? 'tile.no_picture' : 'tile.offline')}
      ring={site.isSpeaking ? 'speaking' : 'stage'}
      testId={`stage-${site.identity}`}
      corners={
        <>
          <Badge tone="stage" label={t('tile.on_stage')}>
            {t('tile.on_stage')}
          </Badge>
          {site.hasFloor && site.microphone === 'open' && (
            <Badge tone="mic" label={t('microphone.open')}>
              <Icon name="mic" size={16} />
            </Badge>
          )}
          {corners}
        </>
      }
    />
  );
}
