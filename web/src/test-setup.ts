import { cleanup } from '@testing-library/react';
import { afterEach } from 'vitest';
import { startI18n } from './pages/i18n/i18n';

await startI18n('?lang=zh-CN');
afterEach(() => cleanup());
