/*
 * A server for work on the pages alone: the REST calls and the lesson log of docs/lesson-log.md,
 * kept in memory, and the built pages from dist/. No media. `npm run build && npm run mock`.
 * Tokens are not signed; their payload says who comes.
 */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WebSocketServer } from 'ws';

const PORT = Number(process.env.PORT ?? 7890);
const DIST = fileURLToPath(new URL('../dist', import.meta.url));
const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
};

const lessons = new Map();

function lessonOf(id) {
  if (!lessons.has(id)) {
    const lesson = {
      id,
      title: '三年级音乐:茉莉花',
      events: [],
      sockets: new Map(),
      answers: new Map(),
    };
    lessons.set(id, lesson);
    append(lesson, { type: 'lesson_opened', title: lesson.title, kind: 'class' });
  }
  return lessons.get(id);
}

function append(lesson, event) {
  const full = { seq: lesson.events.length + 1, at: Date.now(), ...event };
  lesson.events.push(full);
  for (const socket of lesson.sockets.keys()) socket.send(JSON.stringify(full));
  return full.seq;
}

function hasEnded(lesson) {
  return lesson.events.some((event) => event.type === 'lesson_ended');
}

const EVENTS = {
  raise_hand: 'hand_raised',
  lower_hand: 'hand_lowered',
  call_on_stage: 'stage_added',
  put_down: 'stage_removed',
  give_floor: 'floor_given',
  take_floor: 'floor_taken',
  mute_all: 'all_muted',
  end_lesson: 'lesson_ended',
};
const FOR_REMOTE = ['raise_hand', 'lower_hand', 'put_down', 'take_floor'];

function answer(lesson, you, { cmd, cmd_id, site }) {
  const type = EVENTS[cmd];
  if (!type) return { type: 'refused', cmd_id, code: 'unknown_command', reason: 'no such command' };
  if (you.role !== 'lecture' && !FOR_REMOTE.includes(cmd))
    return {
      type: 'refused',
      cmd_id,
      code: 'not_allowed',
      reason: 'only the lecture site may do this',
    };
  return {
    type: 'ack',
    cmd_id,
    seq: append(lesson, { type, site: site ?? you.identity, by: you.identity }),
  };
}

/** The payload of a token, or undefined. */
function readToken(token) {
  try {
    const payload = JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString());
    const { role, school } = payload.lesson;
    return {
      identity: payload.sub,
      name: payload.name,
      school,
      role,
      lesson: payload.lesson.id,
      exp: payload.exp,
    };
  } catch {
    return undefined;
  }
}

function problemOf(you, id) {
  if (!you) return [401, 'unauthenticated'];
  if (you.exp * 1000 < Date.now()) return [401, 'token_expired'];
  if (id === 'missing') return [404, 'lesson_not_found'];
  return you.lesson === id ? undefined : [403, 'not_allowed'];
}

async function serveFile(path, response) {
  const file = normalize(path).replace(/^(\.\.[/\\])+/, '');
  for (const name of [join(DIST, file), join(DIST, 'index.html')]) {
    const body = extname(name) ? await readFile(name).catch(() => undefined) : undefined;
    if (!body) continue;
    response.writeHead(200, { 'Content-Type': TYPES[extname(name)] ?? 'application/octet-stream' });
    response.end(body);
    return;
  }
  response.writeHead(404).end();
}

function json(response, status, body) {
  response.writeHead(status, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify(body));
}

const server = createServer((request, response) => {
  const url = new URL(request.url, 'http://localhost');
  const id = /^\/api\/v1\/lessons\/([^/]+)$/.exec(url.pathname)?.[1];
  if (!id) {
    void serveFile(url.pathname, response);
    return;
  }
  const you = readToken((request.headers.authorization ?? '').replace('Bearer ', ''));
  const problem = problemOf(you, id);
  if (problem) {
    json(response, problem[0], { error: { code: problem[1], message: problem[1] } });
    return;
  }
  const lesson = lessonOf(id);
  json(response, 200, {
    id,
    title: lesson.title,
    kind: 'class',
    status: hasEnded(lesson) ? 'ended' : 'live',
    you,
  });
});

const log = new WebSocketServer({ noServer: true });
server.on('upgrade', (request, socket, head) => {
  const url = new URL(request.url, 'http://localhost');
  const id = /^\/api\/v1\/lessons\/([^/]+)\/log$/.exec(url.pathname)?.[1];
  const you = readToken(url.searchParams.get('access_token') ?? '');
  if (!id || problemOf(you, id)) {
    socket.destroy();
    return;
  }
  log.handleUpgrade(request, socket, head, (ws) =>
    joinLesson(lessonOf(id), you, ws, Number(url.searchParams.get('after'))),
  );
});

function joinLesson(lesson, you, ws, after) {
  const { identity, role, name, school } = you;
  if (role !== 'observer')
    append(lesson, { type: 'site_joined', site: identity, role, name, school });
  ws.send(
    JSON.stringify({
      type: 'hello',
      lesson: lesson.id,
      seq: lesson.events.length,
      you: { identity, role },
      server_time: Date.now(),
    }),
  );
  for (const event of lesson.events) if (event.seq > after) ws.send(JSON.stringify(event));
  lesson.sockets.set(ws, identity);
  ws.on('message', (data) => {
    const command = JSON.parse(String(data));
    const key = `${identity}/${command.cmd_id}`;
    if (!lesson.answers.has(key)) lesson.answers.set(key, answer(lesson, you, command));
    ws.send(JSON.stringify(lesson.answers.get(key)));
  });
  ws.on('close', () => {
    lesson.sockets.delete(ws);
    if (role !== 'observer') append(lesson, { type: 'site_left', site: identity });
  });
}

function link(role, sub, name, school) {
  const payload = { sub, name, exp: 4_000_000_000, lesson: { id: 'demo', role, school } };
  return `http://localhost:${PORT}/lesson/demo#token=x.${Buffer.from(JSON.stringify(payload)).toString('base64url')}.x`;
}

server.listen(PORT, () => {
  console.log(link('lecture', 'center', '李老师', '县第一小学'));
  console.log(link('remote', 'shiqiao', '三年级', '石桥教学点'));
  console.log(link('remote', 'yunling', '三年级一班', '云岭小学'));
  console.log(link('remote', 'baishui', '复式班', '白水教学点'));
  console.log(link('observer', 'observer', '教研员', '县教研室'));
});
