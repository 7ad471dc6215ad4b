/**
 * The media side of a lesson: one livekit room after another, for ever. livekit resumes a cut line
 * by itself for a while; when it gives up, a new room takes the place of the old one.
 */
import {
  ConnectionError,
  ConnectionErrorReason,
  DisconnectReason,
  Room,
  RoomEvent,
  setLogLevel,
  type ReconnectPolicy,
} from 'livekit-client';
import { retryDelayMs } from '../lesson/backoff';
import { createValue, type Observable } from '../observable/observable';
import { Scope } from '../observable/scope';
import { participantsOf } from './participants';
import { publishSlots, type PublishSlot } from './publisher';
import { playSound } from './sound';
import type { MediaCloseReason, MediaConnection, ParticipantView } from './types';

export interface MediaRoomConfig {
  readonly origin: string;
  readonly token: string;
  readonly slots: readonly PublishSlot[];
  /** Called when the room refuses us or closes: the caller finds out by REST what that means. */
  readonly onTrouble?: (trouble: 'refused' | Full) => void;
}

/* Below a warning livekit writes names and addresses to the console. */
setLogLevel('warn');

/** No place: in this room, or on the whole server. */
type Full = 'room_full' | 'server_full';
type RoomEnd = 'opened_elsewhere' | 'removed' | 'room_closed' | 'refused' | Full | 'line_lost';

/** livekit's own tries to resume end after this time; then a new room is quicker. */
const RESUME_FOR_MS = 20_000;
const SNAPSHOT_EVERY_MS = 50;

const resumePolicy: ReconnectPolicy = {
  nextRetryDelayInMs: ({ elapsedMs, retryCount }) =>
    elapsedMs > RESUME_FOR_MS ? null : retryDelayMs(retryCount),
};

export class MediaRoom {
  private readonly connectionValue = createValue<MediaConnection>({ state: 'connecting' });
  private readonly participantsValue = createValue<readonly ParticipantView[]>([]);
  private readonly isSoundBlockedValue = createValue(false);
  private readonly scope = new Scope();
  private room: Room | undefined;

  constructor(private readonly config: MediaRoomConfig) {
    this.scope.onEnd(() => void this.room?.disconnect(false));
  }

  get connection(): Observable<MediaConnection> {
    return this.connectionValue;
  }

  get participants(): Observable<readonly ParticipantView[]> {
    return this.participantsValue;
  }

  /** The browser plays no sound before the user has clicked somewhere. */
  get isSoundBlocked(): Observable<boolean> {
    return this.isSoundBlockedValue;
  }

  open(): void {
    void this.runForEver();
  }

  /** To be called from a click. */
  async startSound(): Promise<void> {
    await this.room?.startAudio();
    if (this.room?.canPlaybackAudio) this.isSoundBlockedValue.set(false);
  }

  close(): void {
    this.finish('left');
  }

  private finish(reason: MediaCloseReason): void {
    if (this.scope.isEnded) return;
    this.scope.end();
    this.connectionValue.set({ state: 'closed', reason });
  }

  private async runForEver(): Promise<void> {
    for (let attempt = 0; !this.scope.isEnded; attempt++) {
      const startedAt = performance.now();
      const end = await this.runOnce();
      if (end === 'opened_elsewhere' || end === 'removed') this.finish(end);
      else if (end !== 'line_lost') this.config.onTrouble?.(isFull(end) ? end : 'refused');
      if (this.connectionValue.value.state === 'closed') return;
      this.connectionValue.set({ state: 'reconnecting' });
      if (performance.now() - startedAt > RESUME_FOR_MS) attempt = 0;
      await new Promise((resolve) => setTimeout(resolve, retryDelayMs(attempt)));
    }
  }

  /** One room from connecting to its end. */
  private async runOnce(): Promise<RoomEnd> {
    const scope = new Scope();
    const room = new Room({
      adaptiveStream: true,
      dynacast: true,
      stopLocalTrackOnUnpublish: false,
      reconnectPolicy: resumePolicy,
    });
    this.room = room;
    const ended = new Promise<RoomEnd>((resolve) => {
      room.once(RoomEvent.Disconnected, (reason) => resolve(endOf(reason)));
    });
    this.watch(room, scope);
    try {
      await room.connect(this.config.origin, this.config.token, { maxRetries: 0 });
      publishSlots(room, this.config.slots, scope);
      return await ended;
    } catch (error) {
      await room.disconnect(false);
      return endOfError(error);
    } finally {
      scope.end();
      this.participantsValue.set([]);
    }
  }

  private watch(room: Room, scope: Scope): void {
    playSound(room, this.isSoundBlockedValue, scope);
    const takeSnapshot = throttle(() => this.participantsValue.set(participantsOf(room)), scope);
    for (const event of SNAPSHOT_EVENTS) room.on(event, takeSnapshot);
    const online = (): void => {
      this.connectionValue.set({ state: 'online' });
      this.isSoundBlockedValue.set(!room.canPlaybackAudio);
    };
    const reconnecting = (): void => {
      if (!scope.isEnded) this.connectionValue.set({ state: 'reconnecting' });
    };
    room.on(RoomEvent.Connected, online);
    room.on(RoomEvent.Reconnected, online);
    room.on(RoomEvent.Reconnecting, reconnecting);
    room.on(RoomEvent.SignalReconnecting, reconnecting);
  }
}

const SNAPSHOT_EVENTS = [
  RoomEvent.Connected,
  RoomEvent.Reconnected,
  RoomEvent.ParticipantConnected,
  RoomEvent.ParticipantDisconnected,
  RoomEvent.TrackSubscribed,
  RoomEvent.TrackUnsubscribed,
  RoomEvent.TrackPublished,
  RoomEvent.TrackUnpublished,
  RoomEvent.TrackMuted,
  RoomEvent.TrackUnmuted,
  RoomEvent.LocalTrackPublished,
  RoomEvent.LocalTrackUnpublished,
  RoomEvent.ActiveSpeakersChanged,
  RoomEvent.ConnectionQualityChanged,
  RoomEvent.ParticipantNameChanged,
] as const;

function endOf(reason: DisconnectReason | undefined): RoomEnd {
  switch (reason) {
    case DisconnectReason.DUPLICATE_IDENTITY:
      return 'opened_elsewhere';
    case DisconnectReason.PARTICIPANT_REMOVED:
      return 'removed';
    case DisconnectReason.ROOM_DELETED:
    case DisconnectReason.ROOM_CLOSED:
      return 'room_closed';
    default:
      return 'line_lost';
  }
}

function isFull(end: string): end is Full {
  return end === 'room_full' || end === 'server_full';
}

function endOfError(error: unknown): RoomEnd {
  if (!(error instanceof ConnectionError)) return 'line_lost';
  if (error.message.includes('room is full')) return 'room_full';
  if (error.message.includes('server is full')) return 'server_full';
  const { context } = error as { context: unknown };
  if (error.reason === ConnectionErrorReason.LeaveRequest)
    return endOf(typeof context === 'number' ? context : undefined);
  return error.reason === ConnectionErrorReason.NotAllowed ? 'refused' : 'line_lost';
}

function throttle(run: () => void, scope: Scope): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  scope.onEnd(() => clearTimeout(timer));
  return () => {
    if (scope.isEnded) return;
    timer ??= setTimeout(() => {
      timer = undefined;
      run();
    }, SNAPSHOT_EVERY_MS);
  };
}
