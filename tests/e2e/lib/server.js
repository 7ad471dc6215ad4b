// Starts the built server on free ports with a temporary data folder, and stops it again.
import { execFileSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { start, stop } from './limits.js';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
export const program = process.env.TONGKE ?? path.join(root, 'build/release/tongke');
export const clip = path.join(root, 'build/demo/lecture.mkv');

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Calls `probe` until it gives something truthy; fails with `what` after `ms`. */
export async function until(what, probe, ms = 15000) {
  const end = Date.now() + ms;
  let last;
  while (Date.now() < end) {
    try {
      const value = await probe();
      if (value) return value;
    } catch (error) {
      last = error;
    }
    await sleep(50);
  }
  throw new Error(`${what}: not within ${ms} ms${last ? ` (${last.message})` : ''}`);
}

export function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once('error', reject);
    server.listen(0, () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** A token signed by the program itself; `args` are its options. */
export function token(...args) {
  return execFileSync(program, ['token', ...args], { encoding: 'utf8' }).trim();
}

/** A token with any claims, which the program itself would not sign. */
export function rawToken(claims, secret = 'secret', header = { alg: 'HS256', typ: 'JWT' }) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part(header)}.${part(claims)}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

export class Server {
  /** Starts; `args` are further options of `tongke serve`. */
  static async start(...args) {
    const server = new Server();
    server.port = await freePort();
    server.data = mkdtempSync(path.join(os.tmpdir(), 'tk-e2e-'));
    server.args = args;
    await server.launch();
    return server;
  }

  get http() {
    return `http://127.0.0.1:${this.port}`;
  }
  get ws() {
    return `ws://127.0.0.1:${this.port}`;
  }

  async launch() {
    this.log = '';
    this.process = start(
      program,
      ['serve', '--dev', '--data', this.data, '--port', String(this.port), '--media-port', '0', '--media-tcp-port', '0',
        ...this.args],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    this.process.stderr.on('data', (data) => {
      this.log += data;
    });
    await until('server answers', async () => {
      if (this.process.exitCode !== null) throw new Error(`server ended: ${this.log}`);
      return (await fetch(`${this.http}/api/v1/health`)).ok;
    });
  }

  async kill() {
    await stop(this.process, 'SIGKILL');
  }

  /** Ends it as Ctrl-C does; the exit status. */
  async stop() {
    const status = await stop(this.process);
    rmSync(this.data, { recursive: true, force: true });
    return status;
  }

  async api(method, target, bearer, body) {
    const response = await fetch(this.http + target, {
      method,
      headers: { ...(bearer ? { authorization: `Bearer ${bearer}` } : {}), 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text ? JSON.parse(text) : undefined };
  }

  async createLesson(id, title = '测试课') {
    const reply = await this.api('POST', '/api/v1/lessons', token('--room-create', '--identity', 'test'), { id, title });
    if (reply.status !== 201) throw new Error(`lesson not created: ${JSON.stringify(reply)}`);
  }
}

/** A lesson link's token that is over; the program itself would not sign it. */
export const expiredLessonToken = (lesson, identity) =>
  rawToken({ iss: 'devkey', sub: identity, exp: 1700000000, video: { room: lesson, roomJoin: true }, lesson: { id: lesson, role: 'remote' } });

/** A lesson token for one site. */
export function lessonToken(lesson, identity, role, name = identity, school = '') {
  return token('--lesson', lesson, '--room', lesson, '--identity', identity, '--role', role, '--name', name, '--school', school);
}
