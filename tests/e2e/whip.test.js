// Goal: standard WHIP and WHEP clients publish into a room and play out of it, beside LiveKit clients.
// Method: pages that use nothing but fetch and RTCPeerConnection; figures come from WebRTC's own statistics.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, test } from 'node:test';

import { SdkPages, launchBrowser } from './lib/browser.js';
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
      // The highest layer of the three, and all of them are sent.
      await until('the best layer arrives', async () => (await arriving(viewer, 'wall'))['1'].width === 1280);
      const layers = (await camera.evaluate(() => window.sending('studio'))).filter((s) => s.kind === 'video');
      assert.deepEqual(layers.map((s) => s.rid).sort(), ['f', 'h', 'q']);
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
