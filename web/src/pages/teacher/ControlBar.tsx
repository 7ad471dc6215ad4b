import { App, Button } from 'antd';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { canShareScreen } from '../../core/media/device-problem';
import type { Value } from '../../core/observable/observable';
import type { LessonSession } from '../../core/session';
import { Icon, type IconName } from '../../ui/Icon';
import { useObservable } from '../../ui/useObservable';
import { useCommand } from './useCommand';
import styles from './ControlBar.module.css';

/** What concerns the whole lesson: own camera and microphone, the screen, mute all, the end. */
export function ControlBar({ session }: { readonly session: LessonSession }) {
  const { t } = useTranslation();
  const run = useCommand(session);
  return (
    <nav className={styles.bar} aria-label={t('teacher.controls')}>
      <Switch value={session.isMicrophoneOff} name="microphone" icons={['mic', 'micOff']} />
      <Switch value={session.isCameraOff} name="camera" icons={['camera', 'cameraOff']} />
      <ShareButton session={session} />
      <Control icon="muteAll" testId="mute-all" onClick={() => run({ cmd: 'mute_all' })}>
        {t('teacher.mute_all')}
      </Control>
      <span className={styles.space} />
      <EndButton session={session} />
    </nav>
  );
}

interface ControlProps {
  readonly icon: IconName;
  readonly testId: string;
  readonly onClick: () => void;
  readonly children: ReactNode;
  readonly isActive?: boolean;
  readonly isDanger?: boolean;
  readonly disabledWhy?: string | undefined;
}

function Control({
  icon,
  testId,
  onClick,
  children,
  isActive = false,
  isDanger = false,
  disabledWhy,
}: ControlProps) {
  return (
    <Button
      className={styles.control ?? ''}
      icon={<Icon name={icon} size={22} />}
      type={isActive ? 'primary' : 'default'}
      danger={isDanger}
      disabled={disabledWhy !== undefined}
      title={disabledWhy ?? ''}
      onClick={onClick}
      data-testid={testId}
    >
      {children}
    </Button>
  );
}

interface SwitchProps {
  readonly value: Value<boolean>;
  readonly name: 'microphone' | 'camera';
  readonly icons: readonly [on: IconName, off: IconName];
}

function Switch({ value, name, icons }: SwitchProps) {
  const { t } = useTranslation();
  const isOff = useObservable(value);
  return (
    <Control
      icon={icons[isOff ? 1 : 0]}
      testId={`toggle-${name}`}
      isDanger={isOff}
      onClick={() => value.set(!isOff)}
    >
      {t(`teacher.${name}_${isOff ? 'on' : 'off'}`)}
    </Control>
  );
}

function ShareButton({ session }: { readonly session: LessonSession }) {
  const { t } = useTranslation();
  const isSharing = useObservable(session.screenShare.track) !== null;
  return (
    <Control
      icon="screen"
      testId="share-screen"
      isActive={isSharing}
      disabledWhy={canShareScreen() ? undefined : t('teacher.share_unavailable')}
      onClick={() => (isSharing ? session.screenShare.stop() : void session.screenShare.start())}
    >
      {t(isSharing ? 'teacher.stop_share' : 'teacher.share')}
    </Control>
  );
}

function EndButton({ session }: { readonly session: LessonSession }) {
  const { t } = useTranslation();
  const { modal } = App.useApp();
  const run = useCommand(session);
  const ask = (): void => {
    modal.confirm({
      title: t('teacher.end_title'),
      content: t('teacher.end_text'),
      okText: t('teacher.end_yes'),
      cancelText: t('teacher.end_no'),
      okButtonProps: { danger: true, 'data-testid': 'end-yes' },
      cancelButtonProps: { 'data-testid': 'end-no' },
      autoFocusButton: 'cancel',
      centered: true,
      onOk: () => run({ cmd: 'end_lesson' }),
    });
  };
  return (
    <Control icon="end" testId="end-lesson" isDanger onClick={ask}>
      {t('teacher.end')}
    </Control>
  );
}
