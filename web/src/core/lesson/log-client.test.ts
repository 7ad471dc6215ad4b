/*
 * Goal: the log comes back by itself, folds what it gets exactly once, and no command is lost or
 * done twice. Method: a socket driven by hand, in virtual time.
 */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LogClient } from './log-client';

class FakeSocket {
  onmessage: ((message: { data: unknown }) => void) | null = null;
  onclose: (() => void) | null = null;
  readonly sent: Record<string, unknown>[] = [];
  isClosed = false;

  constructor(readonly url: string) {}

  send(text: string): void {
    this.sent.push(JSON.parse(text) as Record<string, unknown>);
  }

  close(): void {
    this.isClosed = true;
  }

  give(frame: unknown): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }

  hello(seq: number): void {
    this.give({ type: 'hello', lesson: 'demo', seq, you: { identity: 'a', role: 'remote' } });
  }

  cut(): void {
    this.onclose?.();
  }
}

describe('the log client', () => {
  let sockets: FakeSocket[];
  let client: LogClient;
  const onTrouble = vi.fn();
  const last = (): FakeSocket => sockets.at(-1)!;

  beforeEach(() => {
    vi.useFakeTimers();
    onTrouble.mockReset();
    sockets = [];
    client = new LogClient({
      lesson: 'demo',
      token: 'a.b.c',
      origin: 'ws://school',
      onTrouble,
      createSocket: (url) => {
        const socket = new FakeSocket(url);
        sockets.push(socket);
        return socket as unknown as WebSocket;
      },
    });
    client.open();
  });

  afterEach(() => {
    client.close();
    vi.useRealTimers();
  });

  const opened = { seq: 1, at: 1, type: 'lesson_opened', title: '课', kind: 'class' };

  it('begins at the beginning and is online with the hello', () => {
    expect(last().url).toBe('ws://school/api/v1/lessons/demo/log?after=0&access_token=a.b.c');
    expect(client.connection.value).toBe('connecting');
    last().hello(1);
    last().give(opened);
    expect(client.connection.value).toBe('online');
    expect(client.state.value.title).toBe('课');
  });

  it('asks after a cut for what it has not seen', () => {
    last().hello(1);
    last().give(opened);
    last().cut();
    expect(client.connection.value).toBe('offline');
    vi.advanceTimersByTime(300);
    expect(sockets).toHaveLength(2);
    expect(last().url).toContain('after=1&');
  });

  it('is back within 10 s of the return of a server that was gone for an hour', () => {
    last().hello(0);
    last().cut();
    const end = Date.now() + 3_600_000;
    while (Date.now() < end) {
      vi.advanceTimersByTime(500);
      if (!last().isClosed) last().cut();
    }
    const before = sockets.length;
    vi.advanceTimersByTime(3_100);
    expect(sockets.length).toBeGreaterThan(before);
    last().hello(0);
    expect(client.connection.value).toBe('online');
    expect(onTrouble).toHaveBeenCalled();
  });

  it('gives up a connection that never says hello', () => {
    vi.advanceTimersByTime(5_000);
    expect(sockets[0]!.isClosed).toBe(true);
    vi.advanceTimersByTime(300);
    expect(sockets).toHaveLength(2);
  });

  it('sends a command again after a cut, under the same id, until it is answered', async () => {
    last().hello(0);
    const result = client.run({ cmd: 'raise_hand' });
    const first = last().sent[0]!;
    last().cut();
    vi.advanceTimersByTime(300);
    last().hello(0);
    expect(last().sent).toEqual([first]);
    last().give({ type: 'ack', cmd_id: first['cmd_id'], seq: 9 });
    await expect(result).resolves.toEqual({ ok: true, seq: 9 });
    last().cut();
    vi.advanceTimersByTime(300);
    last().hello(9);
    expect(last().sent).toEqual([]);
  });

  it('keeps a command given while the line is cut', () => {
    last().cut();
    void client.run({ cmd: 'call_on_stage', site: 'b' });
    vi.advanceTimersByTime(300);
    last().hello(0);
    expect(last().sent).toMatchObject([{ cmd: 'call_on_stage', site: 'b' }]);
  });

  it('tells a refusal', async () => {
    last().hello(0);
    const result = client.run({ cmd: 'mute_all' });
    last().give({
      type: 'refused',
      cmd_id: last().sent[0]!['cmd_id'],
      code: 'not_allowed',
      reason: 'no',
    });
    await expect(result).resolves.toEqual({ ok: false, code: 'not_allowed', reason: 'no' });
  });

  it('tries again when the server is only busy', async () => {
    last().hello(0);
    const result = client.run({ cmd: 'raise_hand' });
    const id = last().sent[0]!['cmd_id'];
    last().give({ type: 'refused', cmd_id: id, code: 'rate_limited', reason: '' });
    vi.advanceTimersByTime(1_000);
    expect(last().sent).toHaveLength(2);
    last().give({ type: 'ack', cmd_id: id, seq: 3 });
    await expect(result).resolves.toEqual({ ok: true, seq: 3 });
  });

  it('takes a line without an answer for dead', () => {
    last().hello(0);
    void client.run({ cmd: 'raise_hand' });
    vi.advanceTimersByTime(6_100);
    expect(sockets[0]!.isClosed).toBe(true);
    last().hello(0);
    expect(last().sent).toHaveLength(1);
  });

  it('begins anew when the server has lost its past', () => {
    last().hello(1);
    last().give(opened);
    last().cut();
    vi.advanceTimersByTime(300);
    last().hello(0);
    expect(last().url).toContain('after=0&');
    expect(client.state.value.seq).toBe(0);
  });

  it('refuses what nobody will send', async () => {
    const results = Array.from({ length: 33 }, () => client.run({ cmd: 'raise_hand' }));
    await expect(results[32]).resolves.toMatchObject({ code: 'too_many' });
    client.close();
    await expect(results[0]).resolves.toMatchObject({ code: 'closed' });
  });

  it('lets frames pass that it does not understand', () => {
    last().hello(0);
    for (const frame of [null, 7, 'x', [], {}, { type: 'hello' }, { type: 'new', seq: 5, at: 0 }])
      last().give(frame);
    expect(client.state.value.seq).toBe(5);
    expect(client.connection.value).toBe('online');
  });
});
