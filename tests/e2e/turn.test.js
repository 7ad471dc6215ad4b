// Goal: a network that lets nothing through but one TCP connection to a relay still has the lesson.
// Method: coturn as the README sets it up, beside the server; a page that may use relayed candidates only, over TCP.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';

import { SdkPages, launchBrowser } from './lib/browser.js';
import { after, before, start, stop, test } from './lib/limits.js';
import { Server, freePort, token, until } from './lib/server.js';

const SECRET = 'a secret that only coturn and the server know';
let folder, turn, server, browser, pages;

before(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'tk-turn-'));
  const port = await freePort();
  writeFileSync(
    path.join(folder, 'turn.conf'),
    `use-auth-secret
static-auth-secret=${SECRET}
realm=classroom.test
listening-ip=127.0.0.1
listening-port=${port}
no-udp
no-tls
no-dtls
no-cli
min-port=40000
max-port=40100
denied-peer-ip=0.0.0.0-255.255.255.255
allowed-peer-ip=127.0.0.1
# only because this relay and its peer are on one machine
allow-loopback-peers
userdb=${folder}/turndb
pidfile=${folder}/pid
log-file=stdout
`,
  );
  turn = start('turnserver', ['-c', path.join(folder, 'turn.conf')], { stdio: 'ignore' });
  await until('coturn listens', () => new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1', () => resolve(socket.end()));
    socket.on('error', () => resolve(false));
  }));
  const config = path.join(folder, 'tongke.yaml');
  writeFileSync(config, `ice_servers:\n  - url: turn:127.0.0.1:${port}?transport=tcp\n    secret: ${SECRET}\n`);
  server = await Server.start('--config', config);
  browser = await launchBrowser();
  pages = await SdkPages.start(browser);
});
after(async () => {
  await pages.stop();
  await browser.close();
  assert.deepEqual(await server.stop(), { code: 0, signal: null });
  await stop(turn, 'SIGTERM');
  rmSync(folder, { recursive: true, force: true });
});

test('picture and sound through a relay, over TCP alone', async () => {
  const join = (identity, options) => pages.join(server.ws, token('--room', 'relayed', '--identity', identity), options);
  const lecture = await join('lecture');
  await lecture.evaluate(() => window.room.localParticipant.enableCameraAndMicrophone());
  const far = await join('far', { connectOptions: { rtcConfig: { iceTransportPolicy: 'relay' } } });
  const inbound = (source) => far.evaluate((s) => window.inbound('lecture', s), source);
  await until('the picture plays', async () => (await inbound('camera'))?.framesDecoded > 20, 30000);
  await until('the sound comes', async () => (await inbound('microphone'))?.packets > 50);
  // and the far classroom is seen, too
  await far.evaluate(() => window.room.localParticipant.setCameraEnabled(true));
  await until('the far picture plays', () => lecture.evaluate(async () => (await window.inbound('far', 'camera'))?.framesDecoded > 20), 30000);

  const types = await far.evaluate(async () => {
    const report = await window.publication('lecture', 'camera').track.getRTCStatsReport();
    const byId = new Map();
    report.forEach((stat) => byId.set(stat.id, stat));
    const pairs = [...byId.values()].filter((stat) => stat.type === 'candidate-pair' && stat.nominated);
    return pairs.map((pair) => {
      const local = byId.get(pair.localCandidateId);
      return `${local.candidateType} ${local.relayProtocol}`;
    });
  });
  assert.deepEqual([...new Set(types)], ['relay tcp']);
});
