import type { DeviceProblem } from './types';

/** Browsers give media only to pages from https or from this computer itself. */
export function canUseDevices(): boolean {
  return 'mediaDevices' in navigator && typeof navigator.mediaDevices.getUserMedia === 'function';
}

export function canShareScreen(): boolean {
  return canUseDevices() && 'getDisplayMedia' in navigator.mediaDevices;
}

/** The names are those of getUserMedia (Media Capture and Streams, 10.2.1). */
export function deviceProblemOf(error: unknown): DeviceProblem {
  if (!canUseDevices()) return 'insecure';
  switch (nameOf(error)) {
    case 'NotAllowedError':
    case 'SecurityError':
      return 'refused';
    case 'NotFoundError':
    case 'OverconstrainedError':
      return 'absent';
    case 'NotReadableError':
    case 'AbortError':
      return 'busy';
    default:
      return 'failed';
  }
}

/* A DOMException is an Error in some browsers and only looks like one in others. */
function nameOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'name' in error ? error.name : undefined;
}
