// Goal: a room's whole life reaches the webhook of an operator who uses LiveKit's server SDK.
// Method: livekit-server-sdk's WebhookReceiver checks every request; rtc-node joins, publishes, unpublishes and leaves.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';

import * as rtc from '@livekit/rtc-node';
import { RoomServiceClient, WebhookReceiver } from 'livekit-server-sdk';

import { after, before, test } from './lib/limits.js';
import { Server, freePort, token, until } from './lib/server.js';

const receiver = new WebhookReceiver('devkey', 'secret');
const events = [];
const folder = mkdtempSync(path.join(os.tmpdir(), 'tk-webhook-'));
let server, sink;

before(async () => {
  const port = await freePort();
  sink = http.createServer((request, response) => {
    let body = '';
    request.on('data', (part) => (body += part));
    request.on('end', async () => {
      try {
        assert.equal(request.headers['content-type'], 'application/webhook+json');
        events.push(await receiver.receive(body, request.headers.authorization));
        await assert.rejects(receiver.receive(`${body} `, request.headers.authorization));
      } catch (error) {
        events.push({ event: `refused: ${error.message}` });
      }
      response.end();
    });
  });
  await new Promise((resolve) => sink.listen(port, '127.0.0.1', resolve));
  const config = path.join(folder, 'tongke.yaml');
  writeFileSync(config, `webhook: {urls: ['http://127.0.0.1:${port}/hook'], key: devkey}\n`);
  server = await Server.start('--config', config);
});
after(async () => {
  await rtc.dispose();
  assert.deepEqual(await server.stop(), { code: 0, signal: null });
  await new Promise((resolve) => sink.close(resolve));
  rmSync(folder, { recursive: true, force: true });
});

test('from room_started to room_finished', async () => {
  const service = new RoomServiceClient(server.http, 'devkey', 'secret');
  const { sid } = await service.createRoom({ name: 'hooked', departureTimeout: 1, metadata: 'm' });
  const room = new rtc.Room();
  await room.connect(server.ws, token('--room', 'hooked', '--identity', 'anna', '--name', 'Anna'), { autoSubscribe: true });
  const source = new rtc.AudioSource(48000, 1);
  const options = Object.assign(new rtc.TrackPublishOptions(), { source: rtc.TrackSource.SOURCE_MICROPHONE });
  const track = await room.localParticipant.publishTrack(rtc.LocalAudioTrack.createAudioTrack('mic', source), options);
  await until('published', () => events.some((e) => e.event === 'track_published'));
  await room.localParticipant.unpublishTrack(track.sid);
  await until('unpublished', () => events.some((e) => e.event === 'track_unpublished'));
  await room.disconnect();
  await until('finished', () => events.some((e) => e.event === 'room_finished'), 30000);

  assert.deepEqual(events.map((e) => e.event),
    ['room_started', 'participant_joined', 'track_published', 'track_unpublished', 'participant_left', 'room_finished']);
  for (const e of events) {
    assert.equal(e.room.sid, sid);
    assert.equal(e.room.name, 'hooked');
    assert.ok(Math.abs(Number(e.createdAt) - Date.now() / 1000) < 120);
  }
  assert.equal(new Set(events.map((e) => e.id)).size, events.length);
  for (const e of events.slice(1, 5)) assert.equal(e.participant.identity, 'anna');
  for (const e of events.slice(2, 4)) {
    assert.equal(e.track.sid, track.sid);
    assert.equal(e.track.source, 2);
  }
  assert.equal(events[1].participant.name, 'Anna');
});
