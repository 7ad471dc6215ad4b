import { lazy, Suspense, useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { fetchLesson } from '../core/lesson-api';
import { isPassing, type Problem } from '../core/problem';
import type { LessonSession } from '../core/session';
import { looksLikeToken } from '../protocol/link';
import { useObservable } from '../ui/useObservable';
import { ProblemPage } from './ProblemPage';
import styles from './Plain.module.css';

/* Each role loads only what it needs; the classroom's page must be light. */
const TeacherPage = lazy(() => import('./teacher/TeacherPage'));
const RemotePage = lazy(() => import('./remote/RemotePage'));
const ObserverPage = lazy(() => import('./observer/ObserverPage'));

type Opening =
  | { readonly state: 'loading' }
  | { readonly state: 'problem'; readonly problem: Problem }
  | { readonly state: 'open'; readonly session: LessonSession };

const RETRY_EVERY_MS = 3_000;

interface Props {
  readonly lesson: string;
  readonly token: string | null;
}

/** Opens the lesson behind the link and shows the page of the link's role. */
export function LessonPage({ lesson, token }: Props) {
  const [tries, setTries] = useState(0);
  const opening = useOpening(lesson, token, tries);
  const retry = (): void => setTries((count) => count + 1);
  switch (opening.state) {
    case 'loading':
      return <Loading />;
    case 'problem':
      return <ProblemPage problem={opening.problem} onRetry={retry} />;
    case 'open':
      return <OpenLesson session={opening.session} onRetry={retry} />;
    default:
      return opening satisfies never;
  }
}

function OpenLesson({
  session,
  onRetry,
}: {
  readonly session: LessonSession;
  readonly onRetry: () => void;
}) {
  const problem = useObservable(session.problem);
  const mayPass = problem !== null && isPassing(problem);
  useEffect(() => {
    if (!mayPass) return undefined;
    const timer = setTimeout(onRetry, RETRY_EVERY_MS);
    return () => clearTimeout(timer);
  });
  if (problem) return <ProblemPage problem={problem} onRetry={onRetry} />;
  return (
    <Suspense fallback={<Loading />}>
      <RolePage session={session} />
    </Suspense>
  );
}

function RolePage({ session }: { readonly session: LessonSession }) {
  const { role } = session.info.you;
  switch (role) {
    case 'lecture':
      return <TeacherPage session={session} />;
    case 'remote':
      return <RemotePage session={session} />;
    case 'observer':
      return <ObserverPage session={session} />;
    default:
      return role satisfies never;
  }
}

function Loading() {
  const { t } = useTranslation();
  return (
    <p className={styles.loading} role="status">
      {t('loading')}
    </p>
  );
}

/** Asks the server about the link, again and again while that may help, and opens the session. */
function useOpening(lesson: string, token: string | null, tries: number): Opening {
  const [opening, setOpening] = useState<Opening>({ state: 'loading' });
  useEffect(() => {
    let isOver = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let session: LessonSession | undefined;
    const attempt = async (): Promise<void> => {
      const result = await open(lesson, token);
      if (isOver) {
        if (result.state === 'open') result.session.close();
        return;
      }
      if (result.state === 'open') session = result.session;
      if (result.state === 'problem' && isPassing(result.problem))
        timer = setTimeout(() => void attempt(), RETRY_EVERY_MS);
      setOpening(result);
      session?.open();
    };
    void attempt();
    return () => {
      isOver = true;
      clearTimeout(timer);
      session?.close();
    };
  }, [lesson, token, tries]);
  return opening;
}

async function open(lesson: string, token: string | null): Promise<Opening> {
  if (token === null || !looksLikeToken(token)) return { state: 'problem', problem: 'bad_link' };
  if (!('RTCPeerConnection' in window)) return { state: 'problem', problem: 'old_browser' };
  const link = { lesson, token };
  const answer = await fetchLesson(link);
  if (!answer.ok) return { state: 'problem', problem: answer.problem };
  const { LessonSession } = await import('../core/session');
  const origin = window.location.origin.replace(/^http/, 'ws');
  return { state: 'open', session: new LessonSession(link, answer.info, origin) };
}
