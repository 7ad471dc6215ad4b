// Goal: the lesson log over REST and WebSocket does what docs/lesson-log.md says: rights, order, resumption, retries that
// do nothing twice, refusals with a reason, and nothing lost when the server is killed.
// Method: the real server; a plain WebSocket client; SIGKILL in a loop.
import assert from 'node:assert/strict';

import { after, before, test } from './lib/limits.js';
import { LogClient } from './lib/log-client.js';
import { Server, lessonToken, rawToken, sleep, token, until } from './lib/server.js';

let server;
before(async () => {
  server = await Server.start();
});
after(async () => {
  assert.deepEqual(await server.stop(), { code: 0, signal: null });
});

async function join(lesson, identity, role) {
  const client = new LogClient(server, lesson, lessonToken(lesson, identity, role, `${identity} name`, `${identity} school`));
  await client.open();
  return client;
}

test('REST answers and statuses', async () => {
  const create = token('--room-create', '--identity', 'admin');
  const made = await server.api('POST', '/api/v1/lessons', create, { id: 'rest', title: '科学:水' });
  assert.equal(made.status, 201);
  assert.equal(made.body.kind, 'class');
  assert.equal((await server.api('POST', '/api/v1/lessons', create, { id: 'rest', title: 'x' })).status, 409);
  for (const body of ['{', '[]', '{"title":""}', '{"title":"x","id":"a b"}', '{"title":"x","kind":"party"}', '{"title":7}']) {
    const reply = await server.api('POST', '/api/v1/lessons', create, body);
    assert.equal(reply.status, 400, body);
    assert.equal(reply.body.error.code, 'malformed');
  }
  const site = lessonToken('rest', 'shiqiao', 'remote', '三年级', '石桥教学点');
  assert.equal((await server.api('POST', '/api/v1/lessons', site, { title: 'x' })).status, 403);
  assert.equal((await server.api('GET', '/api/v1/lessons', site)).status, 403);
  const lesson = await server.api('GET', '/api/v1/lessons/rest', site);
  assert.equal(lesson.status, 200);
  assert.deepEqual(lesson.body.you, { identity: 'shiqiao', name: '三年级', school: '石桥教学点', role: 'remote' });
  assert.equal((await server.api('GET', '/api/v1/lessons/rest')).status, 401);
  assert.equal((await server.api('GET', '/api/v1/lessons/rest', 'nonsense')).status, 401);
  assert.equal((await server.api('GET', '/api/v1/lessons/other', lessonToken('other', 'a', 'remote'))).status, 404);
  assert.equal((await server.api('GET', '/api/v1/lessons/rest', lessonToken('other', 'a', 'remote'))).status, 403);
  const expired = await server.api('GET', '/api/v1/lessons/rest', rawToken({
    iss: 'devkey', sub: 'a', exp: 1700000000, video: { roomJoin: true, room: 'rest' }, lesson: { id: 'rest', role: 'remote' },
  }));
  assert.equal(expired.status, 401);
  assert.equal(expired.body.error.code, 'token_expired');
  const log = await server.api('GET', '/api/v1/lessons/rest/log', site);
  assert.equal(log.body.events[0].type, 'lesson_opened');
  assert.equal((await server.api('GET', '/api/v1/lessons/rest/log?after=x', site)).status, 400);
  const list = await server.api('GET', '/api/v1/lessons', token('--room-list', '--identity', 'admin'));
  assert.ok(list.body.lessons.some((l) => l.id === 'rest' && l.status === 'live'));
});

test('a lesson in commands and events', async () => {
  await server.createLesson('flow');
  const teacher = await join('flow', 'center', 'lecture');
  const pupil = await join('flow', 'shiqiao', 'remote');
  const watcher = await join('flow', 'watcher', 'observer');
  assert.equal((await pupil.run('raise_hand')).type, 'ack');
  assert.equal((await pupil.run('mute_all')).code, 'not_allowed');
  assert.equal((await watcher.run('raise_hand')).code, 'not_allowed');
  assert.equal((await teacher.run('call_on_stage', { site: 'nobody' })).code, 'unknown_site');
  assert.equal((await teacher.run('call_on_stage', { site: 'shiqiao' })).type, 'ack');
  assert.equal((await pupil.run('chat', { text: '老师好' })).type, 'ack');
  assert.equal((await pupil.run('dance')).code, 'unknown_command');
  assert.equal((await teacher.run('end_lesson')).type, 'ack');
  assert.equal((await pupil.run('raise_hand')).code, 'lesson_ended');
  const expected = ['lesson_opened', 'site_joined', 'site_joined', 'hand_raised', 'stage_added', 'chat', 'lesson_ended'];
  for (const client of [teacher, pupil]) {
    await until('all events', () => client.types().includes('lesson_ended'));
    assert.deepEqual(client.types(), expected);
    assert.ok(!JSON.stringify(client.events).includes('watcher'), 'the observer stays unseen');
  }
  assert.ok(watcher.types().includes('site_joined'));
  const lesson = await server.api('GET', '/api/v1/lessons/flow', teacher.token);
  assert.equal(lesson.body.status, 'ended');
  for (const client of [teacher, pupil, watcher]) client.close();
});

test('a retry does nothing twice, also over a reconnect', async () => {
  await server.createLesson('retry');
  const pupil = await join('retry', 'shiqiao', 'remote');
  const first = await pupil.run('raise_hand', {}, 'same');
  const again = await pupil.run('raise_hand', {}, 'same');
  assert.deepEqual(again, first);
  assert.equal((await pupil.run('lower_hand')).type, 'ack');
  pupil.close();
  const back = await join('retry', 'shiqiao', 'remote');
  assert.deepEqual(await back.run('raise_hand', {}, 'same'), first);
  assert.equal(back.types().filter((type) => type === 'hand_raised').length, 1);
  back.close();
});

test('resumption after a number gives exactly what was missed', async () => {
  await server.createLesson('resume');
  const teacher = await join('resume', 'center', 'lecture');
  const pupil = await join('resume', 'shiqiao', 'remote');
  await until('joined', () => pupil.seq >= 3);
  pupil.close();
  for (let i = 0; i < 15; i++) await teacher.run('chat', { text: `line ${i}` });
  const seen = pupil.events.length;
  await pupil.open();
  await until('caught up', () => pupil.seq === pupil.hello.seq);
  assert.deepEqual(pupil.events.slice(seen).map((event) => event.text), Array.from({ length: 15 }, (_, i) => `line ${i}`));
  teacher.close();
  pupil.close();
});

test('limits: rate, frame size, malformed frames', async () => {
  await server.createLesson('limits');
  const pupil = await join('limits', 'shiqiao', 'remote');
  assert.equal((await pupil.run('chat', { text: 'x'.repeat(501) })).code, 'malformed');
  pupil.socket.send('{');
  const refused = await until('refusal', () => pupil.answers.get(''));
  assert.equal(refused.code, 'malformed');
  const ids = Array.from({ length: 40 }, () => pupil.send('raise_hand'));
  await until('answers', () => ids.every((id) => pupil.answers.has(id)));
  assert.ok(ids.some((id) => pupil.answers.get(id).code === 'rate_limited'));
  pupil.socket.send(JSON.stringify({ cmd: 'chat', cmd_id: 'big', text: 'x'.repeat(17 * 1024) }));
  await until('closed', () => pupil.closes.length > 0);
  assert.equal(pupil.closes[0], 1009);
});

test('a site that goes is missed after ten seconds, not before', async () => {
  await server.createLesson('presence');
  const teacher = await join('presence', 'center', 'lecture');
  const pupil = await join('presence', 'shiqiao', 'remote');
  pupil.close();
  await sleep(4000);
  assert.ok(!teacher.types().includes('site_left'));
  const left = await until('site_left', () => teacher.events.find((event) => event.type === 'site_left'), 12000);
  assert.equal(left.site, 'shiqiao');
  teacher.close();
});

test('nothing acknowledged is lost by kill -9, and numbers go on', async () => {
  await server.createLesson('kill');
  const teacher = lessonToken('kill', 'center', 'lecture');
  const acknowledged = [];
  let client = new LogClient(server, 'kill', teacher);
  for (let round = 0; round < 8; round++) {
    await client.open();
    for (let i = 0; i < 3; i++) {
      const text = `round ${round} line ${i}`;
      const answer = await client.run('chat', { text });
      assert.equal(answer.type, 'ack');
      acknowledged.push({ seq: answer.seq, text });
    }
    client.send('chat', { text: `round ${round} in flight` });
    await server.kill();
    await server.launch();
  }
  const log = await server.api('GET', '/api/v1/lessons/kill/log', teacher);
  const bySeq = new Map(log.body.events.map((event) => [event.seq, event]));
  for (const { seq, text } of acknowledged) assert.equal(bySeq.get(seq)?.text, text);
  assert.deepEqual([...bySeq.keys()], Array.from({ length: bySeq.size }, (_, i) => i + 1));
  client = new LogClient(server, 'kill', teacher);
  await client.open(0);
  await until('whole log', () => client.seq >= log.body.seq);
  for (const event of client.events) assert.deepEqual(bySeq.get(event.seq) ?? event, event);
  client.close();
});
