import { Select } from 'antd';
import { useTranslation } from 'react-i18next';
import type { LocalDevice } from '../../core/media/local-device';
import { Icon } from '../../ui/Icon';
import { useObservable } from '../../ui/useObservable';
import styles from './DevicePicker.module.css';

/** Chooses the camera or the microphone; the change takes effect at once. */
export function DevicePicker({ device }: { readonly device: LocalDevice }) {
  const { t } = useTranslation();
  const choices = useObservable(device.choices);
  const chosen = useObservable(device.chosen);
  const label = t(`teacher.${device.kind}`);
  return (
    <div className={styles.picker}>
      <Icon name={device.kind === 'camera' ? 'camera' : 'mic'} />
      <Select
        className={styles.select ?? ''}
        aria-label={label}
        data-testid={`choose-${device.kind}`}
        value={chosen || null}
        placeholder={label}
        disabled={choices.length === 0}
        options={choices.map(({ id, label: name }) => ({
          value: id,
          label: name || t('teacher.default_device'),
        }))}
        onChange={(id: string | null) => {
          if (id !== null) void device.choose(id);
        }}
      />
    </div>
  );
}
