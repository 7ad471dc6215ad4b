import { useEffect, useMemo } from 'react';
import { LevelMeter } from '../core/media/level-meter';
import { useObservable } from './useObservable';

/** How loud the microphone is, 0 to 1. */
export function useLevel(track: MediaStreamTrack | null): number {
  const meter = useMemo(() => new LevelMeter(), []);
  useEffect(() => {
    meter.listen(track);
    return () => meter.listen(null);
  }, [meter, track]);
  return useObservable(meter.level);
}
