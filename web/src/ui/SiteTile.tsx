import { useTranslation } from 'react-i18next';
import { siteTitle, type SiteView } from '../core/view/sites';
import { Badge } from './Badge';
import { Icon } from './Icon';
import { QualityBars } from './QualityBars';
import { Tile } from './Tile';

/** One far classroom on a wall: picture, name, school, hand, stage, microphone, line. */
export function SiteTile({ site }: { readonly site: SiteView }) {
  const { t } = useTranslation();
  return (
    <Tile
      title={siteTitle(site)}
      subtitle={site.name}
      video={site.isOnline ? site.camera : null}
      placeholder={t(site.isOnline ? 'tile.no_picture' : 'tile.offline')}
      isDimmed={!site.isOnline}
      ring={ringOf(site)}
      testId={`tile-${site.identity}`}
      corners={
        <>
          {site.handPlace > 0 && (
            <Badge tone="hand" label={t('tile.hand', { place: site.handPlace })}>
              <Icon name="hand" size={18} /> {site.handPlace}
            </Badge>
          )}
          {site.isOnStage && (
            <Badge tone="stage" label={t('tile.on_stage')}>
              {t('tile.on_stage')}
            </Badge>
          )}
          {site.isOnline && <MicrophoneBadge site={site} />}
          {site.isOnline && <QualityBars quality={site.quality} />}
        </>
      }
    />
  );
}

/* The floor decides; whether the site has a microphone at all is known from the room. */
function MicrophoneBadge({ site }: { readonly site: SiteView }) {
  const { t } = useTranslation();
  const isOpen = site.hasFloor && site.microphone !== 'absent';
  const state = isOpen ? 'open' : site.microphone === 'absent' ? 'absent' : 'muted';
  return (
    <Badge tone={isOpen ? 'mic' : 'plain'} label={t(`microphone.${state}`)}>
      <Icon name={isOpen ? 'mic' : 'micOff'} size={16} />
    </Badge>
  );
}

function ringOf(site: SiteView): 'hand' | 'speaking' | 'stage' | 'none' {
  if (site.handPlace > 0) return 'hand';
  if (site.isSpeaking) return 'speaking';
  return site.isOnStage ? 'stage' : 'none';
}
