/**
 * The commands on their way: each is kept until it is answered and sent again after every
 * reconnection; its id makes the repetition harmless.
 */
import { commandFrame, type Command, type LogFrame, type RefusalCode } from '../../protocol/lesson';

export type CommandResult =
  | { readonly ok: true; readonly seq: number }
  | {
      readonly ok: false;
      readonly code: RefusalCode | 'too_many' | 'closed';
      readonly reason: string;
    };

export const PENDING_MAX = 32;
const TRIES_MAX = 4;
const RETRY_MS = 700;

interface Pending {
  readonly frame: string;
  readonly resolve: (result: CommandResult) => void;
  tries: number;
}

export class CommandQueue {
  private readonly pending = new Map<string, Pending>();

  /** `send` returns false when there is no connection; then the frame waits for `resendAll`. */
  constructor(private readonly send: (frame: string) => boolean) {}

  get size(): number {
    return this.pending.size;
  }

  run(command: Command): Promise<CommandResult> {
    if (this.pending.size >= PENDING_MAX) return Promise.resolve(failure('too_many'));
    const cmdId = newCommandId();
    return new Promise((resolve) => {
      const entry = { frame: commandFrame(command, cmdId), resolve, tries: 1 };
      this.pending.set(cmdId, entry);
      this.send(entry.frame);
    });
  }

  resendAll(): void {
    for (const entry of this.pending.values()) this.send(entry.frame);
  }

  handleAnswer(answer: Extract<LogFrame, { type: 'ack' | 'refused' }>): void {
    const entry = this.pending.get(answer.cmdId);
    if (!entry) return;
    if (answer.type === 'refused' && isPassing(answer.code) && entry.tries < TRIES_MAX) {
      setTimeout(() => this.send(entry.frame), RETRY_MS * entry.tries);
      entry.tries += 1;
      return;
    }
    this.pending.delete(answer.cmdId);
    entry.resolve(
      answer.type === 'ack'
        ? { ok: true, seq: answer.seq }
        : { ok: false, code: answer.code, reason: answer.reason },
    );
  }

  close(): void {
    for (const entry of this.pending.values()) entry.resolve(failure('closed'));
    this.pending.clear();
  }
}

function isPassing(code: RefusalCode): boolean {
  return code === 'rate_limited' || code === 'unavailable';
}

function failure(code: 'too_many' | 'closed'): CommandResult {
  return { ok: false, code, reason: code };
}

/* crypto.randomUUID is missing on insecure origins, getRandomValues is not. */
function newCommandId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
}
