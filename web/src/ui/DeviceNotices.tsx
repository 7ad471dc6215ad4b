import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { LocalDevices } from '../core/media/local-devices';
import { deviceNotices, type DeviceNotice } from '../core/view/device-notice';
import { Icon } from './Icon';
import { useObservable } from './useObservable';
import styles from './DeviceNotices.module.css';

/** Banners about a camera or microphone that cannot be used, each with the next step. */
export function DeviceNotices({ devices }: { readonly devices: LocalDevices }) {
  const camera = useObservable(devices.camera.status);
  const microphone = useObservable(devices.microphone.status);
  const [closed, setClosed] = useState<readonly string[]>([]);
  const shown = deviceNotices(camera, microphone).filter(
    (notice) => !closed.includes(keyOf(notice)),
  );
  if (shown.length === 0) return null;
  return (
    <div className={styles.list} role="status">
      {shown.map((notice) => (
        <Notice
          key={keyOf(notice)}
          notice={notice}
          onRetry={() => void retry(devices, notice)}
          onClose={() => setClosed([...closed, keyOf(notice)])}
        />
      ))}
    </div>
  );
}

interface NoticeProps {
  readonly notice: DeviceNotice;
  readonly onRetry: () => void;
  readonly onClose: () => void;
}

function Notice({ notice, onRetry, onClose }: NoticeProps) {
  const { t } = useTranslation();
  const { problem } = notice;
  return (
    <div className={styles.notice} data-testid={`notice-${notice.devices}-${problem}`}>
      <Icon name="warning" size={24} />
      <p>
        <strong>{t(`device.${problem}`, { device: t(`device.${notice.devices}`) })}</strong>{' '}
        {t(`device.${problem}_next`)}
      </p>
      <span className={styles.buttons}>
        {problem !== 'insecure' && (
          <button type="button" onClick={onRetry} data-testid="notice-retry">
            {t('device.retry')}
          </button>
        )}
        <button type="button" onClick={onClose} data-testid="notice-close">
          {t('device.close')}
        </button>
      </span>
    </div>
  );
}

function keyOf(notice: DeviceNotice): string {
  return `${notice.devices}/${notice.problem}`;
}

async function retry(devices: LocalDevices, notice: DeviceNotice): Promise<void> {
  switch (notice.devices) {
    case 'both':
      return devices.startAll();
    case 'camera':
      return devices.camera.start();
    case 'microphone':
      return devices.microphone.start();
    default:
      return notice.devices satisfies never;
  }
}
