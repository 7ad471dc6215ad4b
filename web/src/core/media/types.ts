/** The media side as the pages see it; nothing of livekit-client shows through. */

export type LineQuality = 'unknown' | 'excellent' | 'good' | 'poor' | 'lost';

export interface VideoSource {
  /** Changes when another track takes its place. */
  readonly key: string;
  /** Shows the picture in the element until the returned function is called. */
  readonly attach: (element: HTMLVideoElement) => () => void;
}

/** `absent`: the site sends no sound at all (no device, or refused). */
export type MicrophoneState = 'absent' | 'muted' | 'open';

export interface ParticipantView {
  readonly identity: string;
  readonly name: string;
  readonly isLocal: boolean;
  readonly isSpeaking: boolean;
  readonly quality: LineQuality;
  readonly camera: VideoSource | null;
  readonly screen: VideoSource | null;
  readonly microphone: MicrophoneState;
}

export type MediaConnection =
  | { readonly state: 'connecting' }
  | { readonly state: 'online' }
  | { readonly state: 'reconnecting' }
  /** The server does not want us back; `reason` says why. */
  | { readonly state: 'closed'; readonly reason: MediaCloseReason };

export type MediaCloseReason = 'opened_elsewhere' | 'removed' | 'left';

export type DeviceKind = 'camera' | 'microphone';

/** Why a device gives nothing. */
export type DeviceProblem = 'refused' | 'absent' | 'busy' | 'insecure' | 'failed';

export type DeviceStatus =
  | { readonly state: 'off' }
  | { readonly state: 'starting' }
  | { readonly state: 'on' }
  | { readonly state: 'problem'; readonly problem: DeviceProblem };

export interface DeviceChoice {
  readonly id: string;
  readonly label: string;
}
