// Goal: standard WHIP and WHEP clients publish into a room and play out of it, beside LiveKit clients.
// Method: pages that use nothing but fetch and RTCPeerConnection; figures come from WebRTC's own statistics.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';

import { SdkPages, launchBrowser } from './lib/browser.js';
import { after, afterEach, before, test } from './lib/limits.js';
import { Server, lessonToken, rawToken, root, sleep, token, until } from './lib/server.js';

let server, browser, pages;
const script = readFileSync(path.join(root, 'tests/e2e/lib/whip-page.js'), 'utf8');

before(async () => {
  server = await Server.start();
  browser = await launchBrowser();
  pages = await SdkPages.start(browser);
});
afterEach(() => pages.closeAll());
after(async () => {
  await pages.stop();
  await browser.close();
  assert.deepEqual(await server.stop(), { code: 0, signal: null });
});

const tokenFor = (room, identity, ...more) => token('--room', room, '--identity', identity, ...more);
const joinPage = (room, identity) => pages.join(server.ws, tokenFor(room, identity));

/** A page that knows whip() and whep(). */
async function open() {
  const page = await pages.open();
  await page.addScriptTag({ content: script });
  return page;
}

const whip = (page, name, room, options = {}, bearer = tokenFor(room, name)) =>
  page.evaluate(([n, u, t, o]) => window.whip(n, u, t, o), [name, `${server.http}/whip/${room}`, bearer, options]);
const whep = (page, name, room, { videos = 1, query = '', bearer = tokenFor(room, name) } = {}) =>
  page.evaluate(([n, u, t, v]) => window.whep(n, u, t, v), [name, `${server.http}/whep/${room}${query}`, bearer, videos]);
const arriving = (page, name) => page.evaluate((n) => window.arriving(n), name);
const connected = (page, name) =>
  until(`${name} is connected`, async () => (await page.evaluate((n) => window.state(n), name)) === 'connected');

/** Waits until sound (mid 0) and the picture `mid` of a WHEP session really play; their figures. */
async function playing(page, name, mid = '1') {
  const first = await until(`${name} decodes`, async () => {
    const stats = await arriving(page, name);
    return stats[mid]?.frames > 2 && stats['0']?.energy > 0 && stats;
  });
  return until(`${name} goes on`, async () => {
    const stats = await arriving(page, name);
    return stats[mid].frames > first[mid].frames + 5 && stats['0'].packets > first['0'].packets + 20 && stats;
  });
}

const sees = (page, identity, source) =>
  until(`${identity} ${source} is seen`, () =>
    page.evaluate(async ([i, s]) => {
      const stat = await window.inbound(i, s);
      return (stat?.framesDecoded > 5 || stat?.energy > 0) && stat;
    }, [identity, source]));

for (const [what, options] of [
  ['one encoding', {}],
  ['simulcast', { rids: ['q', 'h', 'f'] }],
  ['H.264', { codec: 'video/H264' }],
])
  test(`WHIP with ${what} is played by WHEP and by a LiveKit client`, async () => {
    const room = `whip-${what.replace(/\W/g, '')}`;
    const [camera, viewer] = [await open(), await open()];
    const session = await whip(camera, 'studio', room, options);
    assert.equal(session.status, 201, session.body);
    assert.match(session.location, /\/whip\/sessions\/\w{32}$/);
    assert.match(session.etag, /^"\w+"$/);
    assert.equal(session.type, 'application/sdp');
    const livekit = await joinPage(room, 'class');
    await sees(livekit, 'studio', 'camera');
    await sees(livekit, 'studio', 'microphone');
    assert.equal((await whep(viewer, 'wall', room)).status, 201);
    const stats = await playing(viewer, 'wall');
    assert.equal(stats['1'].kind, 'video');
    if (options.rids) {
      // All three are sent, and the viewer gets the best. An encoder short of time makes its layers smaller: its own word counts.
      const layers = async () => (await camera.evaluate(() => window.sending('studio'))).filter((s) => s.kind === 'video');
      assert.deepEqual((await layers()).map((s) => s.rid).sort(), ['f', 'h', 'q']);
      await until('the best layer arrives', async () => {
        const sent = (await layers()).map((s) => s.width);
        const { width } = (await arriving(viewer, 'wall'))['1'];
        if (width === Math.max(...sent) && width > Math.min(...sent)) return true;
        throw new Error(`${width} of ${sent}`);
      }, 30000);
    }
  });

test('WHEP plays a LiveKit publisher, and tracks that come later take the free sections', async () => {
  const room = 'whep-later';
  const viewer = await open();
  assert.equal((await whep(viewer, 'wall', room)).status, 201);
  await connected(viewer, 'wall');
  const a = await joinPage(room, 'a');
  const publish = (page) =>
    page.evaluate(async () => {
      await window.room.localParticipant.setMicrophoneEnabled(true);
      await window.room.localParticipant.setCameraEnabled(true, { resolution: { width: 640, height: 360 } });
    });
  await publish(a);
  const first = await playing(viewer, 'wall');
  const b = await joinPage(room, 'b');
  await publish(b);
  await sleep(500);
  await a.evaluate(() => window.room.disconnect());
  // The same sections, the same SSRCs, the other participant's tracks.
  const second = await playing(viewer, 'wall');
  assert.equal(second['1'].ssrc, first['1'].ssrc);
  assert.equal(second['0'].ssrc, first['0'].ssrc);
});

test('WHEP of one participant gets nothing of the others', async () => {
  const room = 'whep-one';
  const [studio, other, viewer] = [await open(), await open(), await open()];
  await whip(other, 'other', room);
  await connected(other, 'other');
  assert.equal((await whep(viewer, 'wall', room, { query: '?participant=studio', videos: 2 })).status, 201);
  await connected(viewer, 'wall');
  await sleep(1000);
  assert.ok(Object.values(await arriving(viewer, 'wall')).every((s) => s.packets === 0));
  await whip(studio, 'studio', room);
  const stats = await playing(viewer, 'wall');
  assert.equal(stats['2']?.frames ?? 0, 0);
});

test('ICE restarts by PATCH while media flows, both ways', async () => {
  const room = 'whip-ice';
  const [camera, viewer] = [await open(), await open()];
  const session = await whip(camera, 'studio', room);
  const watching = await whep(viewer, 'wall', room);
  await playing(viewer, 'wall');
  for (const [page, name, first] of [[camera, 'studio', session], [viewer, 'wall', watching]]) {
    const before = await page.evaluate((n) => window.ufrag(n), name);
    const answer = await page.evaluate((n) => window.restartIce(n), name);
    assert.equal(answer.status, 200, answer.body);
    assert.notEqual(answer.etag, first.etag);
    assert.match(answer.body, /^a=ice-lite\r\na=group:BUNDLE 0\r\nm=audio 9 [^\r]*\r\na=mid:0\r\na=ice-ufrag:/);
    assert.notEqual(await page.evaluate((n) => window.ufrag(n), name), before);
    await playing(viewer, 'wall');
    await connected(page, name);
    // The old ETag is the old ICE session's.
    const old = await fetch(first.location, {
      method: 'PATCH',
      headers: { 'content-type': 'application/trickle-ice-sdpfrag', 'if-match': first.etag },
      body: 'a=end-of-candidates\r\n',
    });
    assert.equal(old.status, 412);
  }
});

test('trickled candidates, and what is wrong with a PATCH', async () => {
  const page = await open();
  const session = await whip(page, 'studio', 'whip-patch');
  const ufrag = await page.evaluate(() => window.ufrag('studio'));
  const patch = async (body, headers = { 'if-match': session.etag }, location = session.location) => {
    const response = await fetch(location, {
      method: 'PATCH',
      headers: { 'content-type': 'application/trickle-ice-sdpfrag', ...headers },
      body,
    });
    return response.status;
  };
  const frag = (u) =>
    `a=ice-ufrag:${u}\r\na=ice-pwd:0123456789012345678901\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n` +
    'a=candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host\r\na=end-of-candidates\r\n';
  assert.equal(await patch(frag(ufrag)), 204);
  assert.equal(await patch(frag('other')), 409);
  assert.equal(await patch(frag(ufrag), { 'if-match': '*' }), 409); // nothing new to restart with
  assert.equal(await patch(frag(ufrag), { 'if-match': '"other"' }), 412);
  assert.equal(await patch(frag(ufrag), {}), 428);
  assert.equal(await patch('a=candidate:nonsense\r\n'), 400);
  assert.equal(await patch('a=mid:0\r\n', { 'if-match': '*' }), 400);
  assert.equal(await patch(frag(ufrag), { 'if-match': session.etag, 'content-type': 'text/plain' }), 415);
  assert.equal(await patch('a=x\r\n'.repeat(4000)), 413);
  assert.equal(await patch(frag(ufrag), undefined, `${server.http}/whip/sessions/${'x'.repeat(32)}`), 404);
  // A token is not needed beside the address, but a wrong one is refused.
  const wrong = { authorization: 'Bearer wrong' };
  assert.equal(await patch(frag(ufrag), { 'if-match': session.etag, ...wrong }), 401);
  assert.equal((await fetch(session.location, { method: 'DELETE', headers: wrong })).status, 401);
  await connected(page, 'studio'); // none of it disturbed the session
});

test('DELETE ends a session for everyone, once', async () => {
  const room = 'whip-delete';
  const [camera, viewer] = [await open(), await open()];
  await whip(camera, 'studio', room);
  await whep(viewer, 'wall', room);
  await playing(viewer, 'wall');
  const livekit = await joinPage(room, 'class');
  await sees(livekit, 'studio', 'camera');
  assert.equal(await camera.evaluate(() => window.hangUp('studio')), 200);
  await until('the studio is gone', () => livekit.evaluate(() => !window.room.remoteParticipants.has('studio')));
  assert.equal(await camera.evaluate(() => window.hangUp('studio')), 404);
  const last = await arriving(viewer, 'wall');
  await sleep(500);
  assert.ok((await arriving(viewer, 'wall'))['1'].packets - last['1'].packets < 5);
  assert.equal(await viewer.evaluate(() => window.hangUp('wall')), 200);
  // The same client comes back; a second one in its name takes its place.
  await whip(camera, 'studio', room);
  await sees(livekit, 'studio', 'camera');
  const second = await open();
  assert.equal((await whip(second, 'studio', room)).status, 201);
  assert.equal(await camera.evaluate(() => window.hangUp('studio')), 404);
});

test('a data channel is refused and the rest goes on', async () => {
  const room = 'whip-data';
  const [camera, viewer] = [await open(), await open()];
  const session = await whip(camera, 'studio', room, { data: true });
  assert.equal(session.status, 201, session.body);
  assert.match(session.body, /\r\nm=application 0 /);
  await whep(viewer, 'wall', room);
  await playing(viewer, 'wall');
});

test('offers that are refused, with a status and a reason', async () => {
  const room = 'whip-refused';
  const page = await open();
  const offer = await page.evaluate(async () => {
    const pc = new RTCPeerConnection();
    pc.addTransceiver('audio', { direction: 'sendonly' });
    return (await pc.createOffer()).sdp;
  });
  const post = async (path, bearer, body = offer, type = 'application/sdp') => {
    const response = await fetch(server.http + path, {
      method: 'POST',
      headers: { 'content-type': type, ...(bearer ? { authorization: `Bearer ${bearer}` } : {}) },
      body,
    });
    const reason = await response.text();
    assert.ok(reason.length > 5, `${response.status} has a reason`);
    return response.status;
  };
  const good = tokenFor(room, 'studio');
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: 'devkey', sub: 'studio', exp: now + 60, video: { roomJoin: true, room } };
  for (const [status, ...args] of [
    [401, `/whip/${room}`, ''],
    [401, `/whip/${room}`, `${good}x`],
    [401, `/whip/${room}`, rawToken(claims, 'wrong secret')],
    [401, `/whip/${room}`, rawToken({ ...claims, exp: now - 600 })],
    [403, '/whip/another-room', good],
    [403, `/whip/${room}`, rawToken({ ...claims, video: { ...claims.video, canPublish: false } })],
    [403, `/whip/${room}`, rawToken({ ...claims, video: { ...claims.video, canPublishSources: ['camera'] } })],
    [403, `/whip/${room}`, rawToken({ ...claims, video: { roomJoin: false, room } })],
    [403, `/whep/${room}`, rawToken({ ...claims, video: { ...claims.video, canSubscribe: false } })],
    [415, `/whip/${room}`, good, offer, 'text/plain'],
    [413, `/whip/${room}`, good, offer + 'a=x\r\n'.repeat(20000)],
    [400, `/whip/${room}`, good, 'hello'],
    [400, `/whip/${room}`, good, ''],
    [400, `/whip/${room}`, good, offer.replace('sendonly', 'recvonly')],
    [400, `/whip/${room}`, good, offer.replace(/a=fingerprint.*\r\n/g, '')],
    [400, `/whip/${room}`, good, offer.replace(/a=ice-pwd.*\r\n/g, '')],
    [400, `/whep/${room}`, good],
  ])
    assert.equal(await post(...args), status, JSON.stringify(args).slice(0, 200));
  assert.equal((await fetch(`${server.http}/whip/${room}`)).status, 405);
  assert.equal((await fetch(`${server.http}/whip/${room}`, { method: 'DELETE' })).status, 405);
  const options = await fetch(`${server.http}/whip/${room}`, { method: 'OPTIONS' });
  assert.equal(options.status, 204);
  assert.equal(options.headers.get('accept-post'), 'application/sdp');
  // The room may come from the token alone.
  assert.equal(await post('/whip', good), 201);
});

test('a lesson rules WHIP and WHEP as it rules everyone', async () => {
  const lesson = 'whip-lesson';
  await server.createLesson(lesson);
  const as = (identity, role) => lessonToken(lesson, identity, role);
  const [lecture, remote, wall, local] = [await open(), await open(), await open(), await open()];
  assert.equal((await whip(lecture, 'lecture', lesson, {}, as('lecture', 'lecture'))).status, 201);
  assert.equal((await whip(remote, 'far', lesson, {}, as('far', 'remote'))).status, 201);
  assert.equal((await whip(remote, 'guest', lesson, {}, as('guest', 'observer'))).status, 403);
  // A far classroom sees the lecture only, whatever it asks for.
  await whep(local, 'near', lesson, { videos: 2, bearer: as('near', 'remote') });
  await playing(local, 'near');
  await sleep(1500);
  assert.equal((await arriving(local, 'near'))['2']?.frames ?? 0, 0);
  // An observer sees the wall besides: the far classroom's camera too.
  await whep(wall, 'watcher', lesson, { videos: 2, bearer: as('watcher', 'observer') });
  await playing(wall, 'watcher', '1');
  await playing(wall, 'watcher', '2');
  // It was the lecture that the far classroom saw: with it the picture ends, and no other takes its place.
  assert.equal(await lecture.evaluate(() => window.hangUp('lecture')), 200);
  await sleep(300);
  const last = await arriving(local, 'near');
  await sleep(1500);
  assert.equal((await arriving(local, 'near'))['1'].packets, last['1'].packets);
});
