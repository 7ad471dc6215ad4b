import type { VideoSource } from './types';

/** A picture straight from this computer's own device, without the way through the server. */
export function videoSourceOf(track: MediaStreamTrack): VideoSource {
  return {
    key: track.id,
    attach: (element) => {
      element.srcObject = new MediaStream([track]);
      return () => {
        element.srcObject = null;
      };
    },
  };
}
