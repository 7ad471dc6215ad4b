// The lesson log as a client sees it: hello, events, answers to commands.
import WebSocket from 'ws';
import { until } from './server.js';

export class LogClient {
  constructor(server, lesson, token) {
    Object.assign(this, { server, lesson, token });
    this.events = [];
    this.answers = new Map();
    this.seq = 0;
    this.closes = [];
    this.counter = 0;
    this.prefix = Math.random().toString(36).slice(2);
  }

  open(after = this.seq) {
    const url = `${this.server.ws}/api/v1/lessons/${this.lesson}/log?after=${after}&access_token=${this.token}`;
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(url);
      this.socket = socket;
      socket.on('message', (data) => {
        const message = JSON.parse(data.toString());
        if (message.type === 'hello') {
          this.hello = message;
          resolve(message);
        } else if (message.type === 'ack' || message.type === 'refused') {
          this.answers.set(message.cmd_id, message);
        } else {
          this.events.push(message);
          this.seq = message.seq;
        }
      });
      socket.on('unexpected-response', (_request, response) => reject(new Error(`status ${response.statusCode}`)));
      socket.on('error', reject);
      socket.on('close', (code) => this.closes.push(code));
    });
  }

  /** Sends a command without waiting; returns its id. */
  send(cmd, fields = {}, id = `${this.prefix}-${++this.counter}`) {
    this.socket.send(JSON.stringify({ cmd, cmd_id: id, ...fields }));
    return id;
  }

  /** Sends a command and waits for its answer. */
  async run(cmd, fields = {}, id = undefined) {
    const sent = this.send(cmd, fields, id);
    const answer = await until(`answer to ${cmd}`, () => this.answers.get(sent));
    this.answers.delete(sent);
    return answer;
  }

  types() {
    return this.events.map((event) => event.type);
  }

  close() {
    this.socket?.close();
  }
}
