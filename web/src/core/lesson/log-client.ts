/**
 * The live lesson log: keeps a WebSocket open for ever, folds what comes, asks for the rest after a
 * cut, and carries the commands.
 */
import { parseFrame, type Command, type LogFrame } from '../../protocol/lesson';
import { logPath } from '../../protocol/rest';
import { createValue, type Observable } from '../observable/observable';
import { retryDelayMs } from './backoff';
import { CommandQueue, type CommandResult } from './commands';
import { foldEvent } from './fold';
import { EMPTY_LESSON, type LessonState } from './state';

export type LogConnection = 'connecting' | 'online' | 'offline';

export interface LogClientConfig {
  readonly lesson: string;
  readonly token: string;
  /** `ws://host` or `wss://host`, without a path. */
  readonly origin: string;
  readonly createSocket?: (url: string) => WebSocket;
  /** Called when tries keep failing: the caller finds out by REST whether the link is still good. */
  readonly onTrouble?: () => void;
}

/** No hello within this time: the connection is given up and a new one tried. */
const HELLO_TIMEOUT_MS = 5_000;
/** A command without an answer for so long means that the line is dead although nobody told us. */
const ANSWER_TIMEOUT_MS = 6_000;
const TROUBLE_AFTER_TRIES = 2;

export class LogClient {
  private readonly stateValue = createValue<LessonState>(EMPTY_LESSON);
  private readonly connectionValue = createValue<LogConnection>('connecting');
  private readonly commands = new CommandQueue((frame) => this.sendFrame(frame));
  private socket: WebSocket | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private attempt = 0;
  private isClosed = false;

  constructor(private readonly config: LogClientConfig) {}

  get state(): Observable<LessonState> {
    return this.stateValue;
  }

  get connection(): Observable<LogConnection> {
    return this.connectionValue;
  }

  open(): void {
    if (!this.isClosed && !this.socket) this.connect();
  }

  run(command: Command): Promise<CommandResult> {
    if (this.isClosed) return Promise.resolve({ ok: false, code: 'closed', reason: 'closed' });
    const result = this.commands.run(command);
    this.watchAnswer(result);
    return result;
  }

  /** Something else has seen the line fail or come back: do not wait, connect anew. */
  reconnectNow(): void {
    if (this.isClosed) return;
    this.attempt = 0;
    this.dropSocket();
    this.connect();
  }

  close(): void {
    this.isClosed = true;
    this.dropSocket();
    this.commands.close();
    this.connectionValue.set('offline');
  }

  private connect(): void {
    const { origin, lesson, token, createSocket } = this.config;
    const url = origin + logPath(lesson, this.stateValue.value.seq, token);
    const socket = createSocket ? createSocket(url) : new WebSocket(url);
    this.socket = socket;
    socket.onmessage = (message: MessageEvent<unknown>) => {
      if (typeof message.data === 'string') this.handleText(message.data);
    };
    socket.onclose = () => this.handleLost();
    this.setTimer(() => this.handleLost(), HELLO_TIMEOUT_MS);
  }

  private handleText(text: string): void {
    const frame = parseFrame(text);
    if (!frame) return;
    switch (frame.type) {
      case 'hello':
        return this.handleHello(frame);
      case 'event':
        return this.stateValue.set(foldEvent(this.stateValue.value, frame.event));
      case 'ack':
      case 'refused':
        return this.commands.handleAnswer(frame);
      default:
        return frame satisfies never;
    }
  }

  private handleHello(hello: Extract<LogFrame, { type: 'hello' }>): void {
    this.clearTimer();
    this.attempt = 0;
    if (hello.seq < this.stateValue.value.seq) {
      /* The server has lost its past (a new data folder): begin again from nothing. */
      this.stateValue.set(EMPTY_LESSON);
      this.reconnectNow();
      return;
    }
    this.connectionValue.set('online');
    this.commands.resendAll();
  }

  private handleLost(): void {
    this.dropSocket();
    if (this.isClosed) return;
    this.connectionValue.set('offline');
    this.setTimer(() => this.connect(), retryDelayMs(this.attempt));
    this.attempt += 1;
    if (this.attempt >= TROUBLE_AFTER_TRIES) this.config.onTrouble?.();
  }

  private watchAnswer(result: Promise<CommandResult>): void {
    const timer = setTimeout(() => {
      if (this.connectionValue.value === 'online') this.reconnectNow();
    }, ANSWER_TIMEOUT_MS);
    void result.then(() => clearTimeout(timer));
  }

  private sendFrame(frame: string): boolean {
    if (this.connectionValue.value !== 'online' || !this.socket) return false;
    this.socket.send(frame);
    return true;
  }

  private dropSocket(): void {
    this.clearTimer();
    if (!this.socket) return;
    this.socket.onmessage = null;
    this.socket.onclose = null;
    this.socket.close();
    this.socket = undefined;
    if (this.connectionValue.value === 'online') this.connectionValue.set('offline');
  }

  private setTimer(run: () => void, ms: number): void {
    this.clearTimer();
    this.timer = setTimeout(run, ms);
  }

  private clearTimer(): void {
    clearTimeout(this.timer);
  }
}
