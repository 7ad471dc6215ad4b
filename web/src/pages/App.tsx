import { useSyncExternalStore } from 'react';
import { parseRoute } from '../protocol/link';
import { LessonPage } from './LessonPage';
import { ProblemPage } from './ProblemPage';
import { StartPage } from './StartPage';

/** Which page: by the path, and by the token in the fragment. */
export function App() {
  const fragment = useSyncExternalStore(subscribe, () => window.location.hash);
  const route = parseRoute(window.location.pathname, fragment);
  switch (route.page) {
    case 'start':
      return <StartPage />;
    case 'lesson':
      return <LessonPage key={fragment} lesson={route.lesson} token={route.token} />;
    case 'unknown':
      return <ProblemPage problem="unknown_page" onRetry={() => window.location.reload()} />;
    default:
      return route satisfies never;
  }
}

function subscribe(listener: () => void): () => void {
  window.addEventListener('hashchange', listener);
  return () => window.removeEventListener('hashchange', listener);
}
