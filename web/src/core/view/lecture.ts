/** What of the lecture side is shown, and which of it is large. */
import type { LessonState } from '../lesson/state';
import type { ParticipantView, VideoSource } from '../media/types';
import { siteTitle } from './sites';

export interface LectureTile {
  /** Stable for one picture of one site: `identity/screen` or `identity/camera`. */
  readonly id: string;
  readonly identity: string;
  readonly kind: 'screen' | 'camera';
  readonly title: string;
  readonly video: VideoSource;
}

/** All pictures of the lecture sites: screens first, then cameras in the order of joining. */
export function lectureTiles(
  state: LessonState,
  participants: readonly ParticipantView[],
): readonly LectureTile[] {
  const lecturers = [...state.sites].filter(([, site]) => site.role === 'lecture');
  const tiles = lecturers.flatMap(([identity, site]) => {
    const participant = participants.find((other) => other.identity === identity);
    const title = site.name || siteTitle({ identity, ...site });
    return participant ? tilesOf(participant, title) : [];
  });
  return [
    ...tiles.filter((tile) => tile.kind === 'screen'),
    ...tiles.filter((tile) => tile.kind === 'camera'),
  ];
}

/** Splits the tiles into the large one and the rest; `picked` is the one that the user clicked. */
export function arrangeLecture(
  tiles: readonly LectureTile[],
  picked: string | null,
): { readonly main: LectureTile | null; readonly others: readonly LectureTile[] } {
  const main = tiles.find((tile) => tile.id === picked) ?? tiles[0] ?? null;
  return { main, others: tiles.filter((tile) => tile !== main) };
}

function tilesOf({ identity, screen, camera }: ParticipantView, title: string): LectureTile[] {
  const tiles: LectureTile[] = [];
  if (screen)
    tiles.push({ id: `${identity}/screen`, identity, kind: 'screen', title, video: screen });
  if (camera)
    tiles.push({ id: `${identity}/camera`, identity, kind: 'camera', title, video: camera });
  return tiles;
}
