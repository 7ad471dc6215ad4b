import { App, ConfigProvider, theme } from 'antd';
import enUS from 'antd/locale/en_US';
import zhCN from 'antd/locale/zh_CN';
import { useTranslation } from 'react-i18next';
import type { LessonSession } from '../../core/session';
import { DeviceNotices } from '../../ui/DeviceNotices';
import { SoundOverlay } from '../../ui/SoundOverlay';
import { useLessonViews } from '../../ui/useLessonViews';
import { ControlBar } from './ControlBar';
import { OwnPanel } from './OwnPanel';
import { StageRow } from './StageRow';
import { TopBar } from './TopBar';
import { Wall } from './Wall';
import styles from './TeacherPage.module.css';

const THEME = {
  algorithm: theme.darkAlgorithm,
  token: {
    colorPrimary: '#1fa377',
    colorError: '#e2584a',
    colorBgBase: '#0e1b1f',
    colorBgContainer: '#1e343a',
    colorBgElevated: '#223c43',
    colorBorder: '#3a555c',
    colorText: '#f3f8f7',
    borderRadius: 10,
    controlHeight: 40,
    fontFamily: 'inherit',
    fontSize: 15,
  },
};

/** The lecturing teacher's console: every far classroom on one wall, everything by one click. */
export default function TeacherPage({ session }: { readonly session: LessonSession }) {
  const { i18n } = useTranslation();
  const views = useLessonViews(session);
  return (
    <ConfigProvider
      theme={THEME}
      button={{ autoInsertSpace: false }}
      locale={i18n.language.startsWith('zh') ? zhCN : enUS}
    >
      <App className={styles.app ?? ''} message={{ top: 72, maxCount: 3 }}>
        <div className={styles.page} data-testid="teacher-page">
          <TopBar session={session} wall={views.wall} />
          <DeviceNotices devices={session.devices} />
          <OwnPanel session={session} lecture={views.lecture} />
          <main className={styles.main}>
            <StageRow session={session} stage={views.stage} />
            <Wall session={session} sites={views.wall} />
          </main>
          <ControlBar session={session} />
        </div>
        <SoundOverlay media={session.media} />
      </App>
    </ConfigProvider>
  );
}
