import { useTranslation } from 'react-i18next';
import styles from './LanguageSwitch.module.css';

/** Shows the language one can change to, in that language. */
export function LanguageSwitch() {
  const { i18n, t } = useTranslation();
  const isChinese = i18n.language.startsWith('zh');
  return (
    <button
      type="button"
      className={styles.button}
      lang={isChinese ? 'en' : 'zh-CN'}
      title={t('language.label')}
      onClick={() => void i18n.changeLanguage(isChinese ? 'en' : 'zh-CN')}
      data-testid="language-switch"
    >
      {isChinese ? t('language.en') : t('language.zh')}
    </button>
  );
}
