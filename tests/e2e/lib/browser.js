// Chromium with fake devices, and pages that hold livekit-client.
import { readFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';

import { chromium } from 'playwright-core';

import { freePort, root } from './server.js';

const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--use-fake-ui-for-media-stream',
  '--use-fake-device-for-media-stream',
  '--autoplay-policy=no-user-gesture-required',
  // Host addresses in clear instead of mDNS names, which nothing here resolves.
  '--disable-features=WebRtcHideLocalIpsWithMdns',
];

export function launchBrowser(...more) {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', headless: true, args: [...flags, ...more] });
}

/** A local page with livekit-client on it; the SDK is untouched. */
export class SdkPages {
  static async start(browser) {
    const pages = new SdkPages();
    pages.browser = browser;
    const dist = path.join(root, 'tests/e2e/node_modules/livekit-client/dist');
    const sdk = readFileSync(path.join(dist, 'livekit-client.umd.js'));
    const worker = readFileSync(path.join(dist, 'livekit-client.e2ee.worker.js'));
    const helper = readFileSync(path.join(root, 'tests/e2e/lib/sdk-page.js'));
    pages.server = http.createServer((request, response) => {
      const files = { '/sdk.js': sdk, '/page.js': helper, '/e2ee.worker.js': worker };
      if (files[request.url]) {
        response.setHeader('content-type', 'text/javascript');
        response.end(files[request.url]);
      } else {
        response.setHeader('content-type', 'text/html');
        response.end('<!doctype html><title>sdk</title><script src="/sdk.js"></script><script src="/page.js"></script>');
      }
    });
    pages.port = await freePort();
    await new Promise((resolve) => pages.server.listen(pages.port, '127.0.0.1', resolve));
    pages.contexts = [];
    return pages;
  }

  /** A page of its own browser context, not connected yet. */
  async open() {
    const context = await this.browser.newContext({ permissions: ['camera', 'microphone'] });
    const page = await context.newPage();
    page.messages = [];
    page.on('console', (message) => page.messages.push(message.text()));
    page.on('pageerror', (error) => page.messages.push(`error: ${error.message}`));
    await page.goto(`http://127.0.0.1:${this.port}/`);
    this.contexts.push(context);
    return page;
  }

  /** A page whose `window.room` is connected. */
  async join(url, token, options = {}) {
    const page = await this.open();
    await page.evaluate(([u, t, o]) => window.join(u, t, o), [url, token, options]);
    return page;
  }

  async closeAll() {
    await Promise.all(this.contexts.splice(0).map((context) => context.close()));
  }

  async stop() {
    await this.closeAll();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
