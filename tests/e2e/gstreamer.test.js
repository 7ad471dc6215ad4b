// Goal: a WebRTC stack that is not a browser's publishes by WHIP and plays by WHEP: GStreamer, libnice, OpenSSL.
// Method: lib/gst_whip.py (webrtcbin with max-bundle); a Chromium page with livekit-client on the other side.
import assert from 'node:assert/strict';
import path from 'node:path';

import { SdkPages, launchBrowser } from './lib/browser.js';
import { after, before, start, test } from './lib/limits.js';
import { Server, root, token, until } from './lib/server.js';

let server, browser, pages;

before(async () => {
  server = await Server.start();
  browser = await launchBrowser();
  pages = await SdkPages.start(browser);
});
after(async () => {
  await pages.stop();
  await browser.close();
  assert.deepEqual(await server.stop(), { code: 0, signal: null });
});

/** Runs the client to its end; what it printed. */
function gst(mode, room, identity, seconds) {
  const bearer = token('--room', room, '--identity', identity);
  const child = start(
    '/usr/bin/python3',
    [path.join(root, 'tests/e2e/lib/gst_whip.py'), mode, `${server.http}/${mode}/${room}`, bearer, String(seconds)],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let out = '';
  let err = '';
  child.stdout.on('data', (data) => (out += data));
  child.stderr.on('data', (data) => (err += data));
  return child.exited.then(({ code }) => {
    if (code === 0) return JSON.parse(out.trim().split('\n').at(-1));
    throw new Error(`gst_whip.py ${mode}: ${code} ${err}`);
  });
}

test('GStreamer publishes; GStreamer and a browser play it', async () => {
  const publishing = gst('whip', 'gst', 'encoder', 25);
  const page = await pages.join(server.ws, token('--room', 'gst', '--identity', 'class'));
  const playing = gst('whep', 'gst', 'player', 12);
  for (const source of ['camera', 'microphone'])
    await until(`the encoder's ${source} plays`, () =>
      page.evaluate(async (s) => {
        const stat = await window.inbound('encoder', s);
        return stat?.framesDecoded > 20 || stat?.energy > 0;
      }, source));
  const played = await playing;
  assert.equal(played.error, undefined);
  assert.ok(played.decoded.video > 30, JSON.stringify(played));
  assert.ok(played.decoded.audio > 50, JSON.stringify(played));
  assert.equal(played.deleted, 200);
  const published = await publishing;
  assert.ok(published.states.includes('connected'), JSON.stringify(published));
  assert.equal(published.deleted, 200);
  await until('the encoder has left', () => page.evaluate(() => !window.room.remoteParticipants.has('encoder')));
});
