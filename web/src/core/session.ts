/**
 * One opened lesson link: the log, the room, the devices, and what has gone wrong. The role decides
 * what is published; everything the pages show is derived from the observables here.
 */
import { Track } from 'livekit-client';
import type { LessonLink } from '../protocol/link';
import type { Command } from '../protocol/lesson';
import type { LessonInfo } from '../protocol/rest';
import { fetchLesson } from './lesson-api';
import type { CommandResult } from './lesson/commands';
import { LogClient } from './lesson/log-client';
import type { LessonState } from './lesson/state';
import { LocalDevices } from './media/local-devices';
import { MediaRoom } from './media/media-room';
import type { PublishSlot } from './media/publisher';
import { ScreenShare } from './media/screen-share';
import { keepScreenOn } from './media/wake-lock';
import { createValue, derive, type Observable, type Value } from './observable/observable';
import { Scope } from './observable/scope';
import { isPassing, type Problem } from './problem';
import { lineOf, type Line } from './view/line';

export class LessonSession {
  readonly scope = new Scope();
  readonly devices = new LocalDevices(this.scope);
  readonly screenShare = new ScreenShare();
  readonly log: LogClient;
  readonly media: MediaRoom;
  readonly problem: Observable<Problem | null>;
  readonly line: Observable<Line>;
  /** The lecture site's own switches; a remote site's microphone follows the floor instead. */
  readonly isCameraOff = createValue(false);
  readonly isMicrophoneOff = createValue(false);
  private readonly problemValue: Value<Problem | null> = createValue<Problem | null>(null);
  private isChecking = false;

  constructor(
    private readonly link: LessonLink,
    readonly info: LessonInfo,
    origin: string,
  ) {
    this.problem = this.problemValue;
    this.log = new LogClient({ ...link, origin, onTrouble: () => void this.check() });
    this.media = new MediaRoom({
      origin,
      token: link.token,
      slots: this.slots(),
      onTrouble: (trouble) => (trouble === 'refused' ? void this.check() : this.fail(trouble)),
    });
    this.line = derive(
      [this.log.connection, this.media.connection, this.media.participants],
      lineOf,
    );
    this.watch();
  }

  get lesson(): Observable<LessonState> {
    return this.log.state;
  }

  open(): void {
    this.log.open();
    this.media.open();
    keepScreenOn(this.scope);
    if (this.info.you.role !== 'observer') void this.devices.startAll();
  }

  run(command: Command): Promise<CommandResult> {
    return this.log.run(command);
  }

  close(): void {
    this.scope.end();
    this.log.close();
    this.media.close();
    this.screenShare.stop();
  }

  private slots(): PublishSlot[] {
    const { camera, microphone } = this.devices;
    const { identity, role } = this.info.you;
    const never = createValue(false);
    const noFloor = derive([this.log.state], (state) => state.sites.get(identity)?.floor !== true);
    switch (role) {
      case 'observer':
        return [];
      case 'remote':
        return [
          { source: Track.Source.Camera, track: camera.track, isMuted: never },
          { source: Track.Source.Microphone, track: microphone.track, isMuted: noFloor },
        ];
      case 'lecture':
        return [
          { source: Track.Source.Camera, track: camera.track, isMuted: this.isCameraOff },
          {
            source: Track.Source.Microphone,
            track: microphone.track,
            isMuted: this.isMicrophoneOff,
          },
          { source: Track.Source.ScreenShare, track: this.screenShare.track, isMuted: never },
        ];
      default:
        return role satisfies never;
    }
  }

  private watch(): void {
    const { log, media, scope } = this;
    scope.onEnd(
      log.state.subscribe(() => {
        if (log.state.value.status === 'ended') this.fail('lesson_over');
      }),
    );
    let wasOnline = false;
    scope.onEnd(
      media.connection.subscribe(() => {
        const connection = media.connection.value;
        if (connection.state === 'closed' && connection.reason !== 'left')
          this.fail(connection.reason);
        /* The media side notices a dead line first: let the log look at once, too. */
        if (connection.state === 'reconnecting' && wasOnline) log.reconnectNow();
        wasOnline = connection.state === 'online';
      }),
    );
    scope.listen(window, 'online', () => log.reconnectNow());
  }

  /** Finds out whether the link is still good when the server keeps refusing. */
  private async check(): Promise<void> {
    if (this.isChecking) return;
    this.isChecking = true;
    const answer = await fetchLesson(this.link);
    this.isChecking = false;
    if (!answer.ok && !isPassing(answer.problem)) this.fail(answer.problem);
  }

  private fail(problem: Problem): void {
    if (this.scope.isEnded) return;
    this.close();
    this.problemValue.set(problem);
  }
}
