/** The languages of the pages: Chinese first, English by the switch or `?lang=en`. */
import i18next from 'i18next';
import { initReactI18next } from 'react-i18next';
import en from './en.json';
import zhCN from './zh-CN.json';

const STORAGE_KEY = 'tongke.language';
export const LANGUAGES = ['zh-CN', 'en'] as const;
export type Language = (typeof LANGUAGES)[number];

export function isLanguage(value: unknown): value is Language {
  return LANGUAGES.some((language) => language === value);
}

export async function startI18n(search = window.location.search): Promise<void> {
  const asked = new URLSearchParams(search).get('lang');
  const language = [asked, readStored()].find(isLanguage) ?? 'zh-CN';
  i18next.on('languageChanged', (lng) => {
    document.documentElement.lang = lng;
    store(lng);
  });
  await i18next.use(initReactI18next).init({
    lng: language,
    fallbackLng: 'zh-CN',
    resources: { 'zh-CN': { translation: zhCN }, en: { translation: en } },
    interpolation: { escapeValue: false },
    showSupportNotice: false,
  });
}

/* Storage may be forbidden (private windows, school policies); the switch then lasts until reload. */
function readStored(): string | null {
  try {
    return localStorage.getItem(STORAGE_KEY);
  } catch {
    return null;
  }
}

function store(language: string): void {
  try {
    localStorage.setItem(STORAGE_KEY, language);
  } catch {
    /* see readStored */
  }
}
