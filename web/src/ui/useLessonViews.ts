import { useMemo } from 'react';
import { derive } from '../core/observable/observable';
import type { LessonSession } from '../core/session';
import { lectureTiles } from '../core/view/lecture';
import { remoteSites, stageSites } from '../core/view/sites';
import { useObservable } from './useObservable';

/** The lists that every lesson page shows. */
export function useLessonViews(session: LessonSession) {
  const views = useMemo(() => {
    const sources = [session.lesson, session.media.participants] as const;
    return {
      wall: derive(sources, remoteSites),
      stage: derive(sources, stageSites),
      lecture: derive(sources, lectureTiles),
    };
  }, [session]);
  return {
    wall: useObservable(views.wall),
    stage: useObservable(views.stage),
    lecture: useObservable(views.lecture),
  };
}
