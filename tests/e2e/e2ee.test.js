// Goal: media and data that clients encrypt end to end pass through: the same key decodes them, another one does not.
// Method: livekit-client's own encryption in Chromium, with VP8 in simulcast and with H.264.
import assert from 'node:assert/strict';

import { SdkPages, launchBrowser } from './lib/browser.js';
import { after, afterEach, before, test } from './lib/limits.js';
import { Server, token, until } from './lib/server.js';

let server, browser, pages;

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

const join = (room, identity, key) => pages.join(server.ws, token('--room', room, '--identity', identity), { key });
const inbound = (page, source) => page.evaluate((s) => window.inbound('a', s), source);

for (const videoCodec of ['vp8', 'h264']) {
  test(`encrypted ${videoCodec}`, async () => {
    const a = await join(videoCodec, 'a', 'our key');
    const friend = await join(videoCodec, 'friend', 'our key');
    const stranger = await join(videoCodec, 'stranger', 'another key');
    await a.evaluate(async (codec) => {
      await window.publishTone();
      await window.room.localParticipant.setCameraEnabled(true, { resolution: { width: 640, height: 360 } }, { videoCodec: codec });
    }, videoCodec);
    await until('the friend sees', async () => (await inbound(friend, 'camera'))?.framesDecoded > 10, 30000);
    await until('the friend hears', async () => (await inbound(friend, 'microphone'))?.energy > 0);
    assert.equal((await inbound(friend, 'camera')).mime, `video/${videoCodec.toUpperCase()}`);
    await until('the stranger receives', async () => (await inbound(stranger, 'camera'))?.packets > 100);
    assert.equal((await inbound(stranger, 'camera')).framesDecoded, 0);
    assert.ok(await stranger.evaluate(() => window.seen.keyErrors > 0));
    // who comes later gets a whole picture, too: keyframes are found in what is encrypted
    const late = await join(videoCodec, 'late', 'our key');
    await until('who comes late sees', async () => (await inbound(late, 'camera'))?.framesDecoded > 10, 30000);
    await a.evaluate(() => window.room.localParticipant.publishData(new TextEncoder().encode('secret'), { reliable: true }));
    await until('the friend reads', () => friend.evaluate(() => window.seen.data.some((d) => d.text === 'secret')));
    assert.ok(await stranger.evaluate(() => window.seen.data.every((d) => d.text !== 'secret')));
  });
}
