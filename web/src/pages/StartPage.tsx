import { useState, type SyntheticEvent } from 'react';
import { useTranslation } from 'react-i18next';
import { parsePastedLink } from '../protocol/link';
import { LanguageSwitch } from '../ui/LanguageSwitch';
import styles from './Plain.module.css';

/** For those who came without a link: what this is, and where to put the link. */
export function StartPage() {
  const { t } = useTranslation();
  const [pasted, setPasted] = useState('');
  const [isWrong, setWrong] = useState(false);
  const open = (event: SyntheticEvent): void => {
    event.preventDefault();
    const target = parsePastedLink(pasted, window.location.origin);
    setWrong(target === undefined);
    if (target !== undefined) window.location.assign(target);
  };
  return (
    <main className={styles.page} data-testid="start-page">
      <div className={styles.card}>
        <img src="/tongke.svg" alt="" width={72} height={72} />
        <h1>{t('app.name')}</h1>
        <p className={styles.tagline}>{t('app.tagline')}</p>
        <p>{t('start.intro')}</p>
        <form className={styles.form} onSubmit={open}>
          <label htmlFor="link">{t('start.paste_label')}</label>
          <div className={styles.row}>
            <input
              id="link"
              value={pasted}
              onChange={(event) => setPasted(event.target.value)}
              placeholder={t('start.paste_hint')}
              aria-invalid={isWrong}
              aria-describedby="link-wrong"
              autoComplete="off"
              data-testid="link-input"
            />
            <button
              type="submit"
              className={styles.primary}
              disabled={pasted.trim() === ''}
              data-testid="link-open"
            >
              {t('start.open')}
            </button>
          </div>
          <p id="link-wrong" className={styles.wrong} role="alert">
            {isWrong && t('start.bad_paste')}
          </p>
        </form>
        <h2>{t('start.how_title')}</h2>
        <ol>
          <li>{t('start.how_1')}</li>
          <li>{t('start.how_2')}</li>
          <li>{t('start.how_3')}</li>
        </ol>
      </div>
      <LanguageSwitch />
    </main>
  );
}
