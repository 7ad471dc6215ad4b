import { createRoot } from 'react-dom/client';
import { App } from './pages/App';
import { startI18n } from './pages/i18n/i18n';
import './ui/base.css';

const root = document.getElementById('root');
if (root) void startI18n().then(() => createRoot(root).render(<App />));
