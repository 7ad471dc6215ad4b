// Goal: unmodified LiveKit SDKs find a LiveKit server: livekit-client in Chromium and @livekit/rtc-node share rooms.
// Method: real SDKs, fake devices; figures come from WebRTC's own statistics and the SDKs' events.
import assert from 'node:assert/strict';

import * as rtc from '@livekit/rtc-node';
import { RoomServiceClient } from 'livekit-server-sdk';

import { SdkPages, launchBrowser } from './lib/browser.js';
import { after, afterEach, before, test } from './lib/limits.js';
import { Server, sleep, token, until } from './lib/server.js';

let server, browser, pages;
const nodeRooms = [];

before(async () => {
  server = await Server.start();
  browser = await launchBrowser();
  pages = await SdkPages.start(browser);
});
afterEach(async () => {
  await Promise.all(nodeRooms.splice(0).map((room) => room.disconnect()));
  await pages.closeAll();
});
after(async () => {
  await pages.stop();
  await browser.close();
  await rtc.dispose();
  assert.deepEqual(await server.stop(), { code: 0, signal: null });
});

const tokenFor = (room, identity, ...more) => token('--room', room, '--identity', identity, '--name', identity, ...more);
const joinPage = (room, identity, options) => pages.join(server.ws, tokenFor(room, identity), options);

/** `prepare` sees the room before it connects. */
async function joinNode(name, identity, prepare = () => {}) {
  const room = new rtc.Room();
  prepare(room);
  await room.connect(server.ws, tokenFor(name, identity), { autoSubscribe: true, dynacast: false });
  nodeRooms.push(room);
  return room;
}

const inbound = (page, identity, source) => page.evaluate(([i, s]) => window.inbound(i, s), [identity, source]);

/** Waits until a remote video really plays, and returns its figures. */
async function playing(page, identity, source = 'camera') {
  const first = await until(`${identity} ${source} decodes`, async () => {
    const stat = await inbound(page, identity, source);
    return stat?.framesDecoded > 2 && stat;
  });
  return until(`${identity} ${source} goes on`, async () => {
    const stat = await inbound(page, identity, source);
    return stat.framesDecoded > first.framesDecoded + 5 && stat;
  });
}

async function hearing(page, identity) {
  return until(`${identity} is heard`, async () => {
    const stat = await inbound(page, identity, 'microphone');
    return stat?.packets > 50 && stat.energy > 0 && stat;
  });
}

const publish = (page) =>
  page.evaluate(async () => {
    await window.room.localParticipant.setMicrophoneEnabled(true);
    await window.room.localParticipant.setCameraEnabled(true, { resolution: { width: 1280, height: 720 } });
  });

for (const single of [true, false]) {
  const mode = single ? 'single connection' : 'dual connection';
  test(`picture and sound, ${mode}`, async () => {
    const name = `media-${single}`;
    const a = await joinPage(name, 'a', { roomOptions: { singlePeerConnection: single } });
    const b = await joinPage(name, 'b', { roomOptions: { singlePeerConnection: single } });
    await publish(a);
    await publish(b);
    for (const [page, other] of [[a, 'b'], [b, 'a']]) {
      await playing(page, other);
      await hearing(page, other);
    }
    // somebody who comes later gets a picture, too
    const c = await joinPage(name, 'c', { roomOptions: { singlePeerConnection: single } });
    await playing(c, 'a');
    await hearing(c, 'b');
    const profiles = await a.evaluate(() => window.srtpProfiles());
    assert.deepEqual([...new Set(profiles)], ['SRTP_AEAD_AES_128_GCM']);
  });
}

test('six send and receive picture and sound', async () => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  const all = await Promise.all(names.map((name) => joinPage('six', name)));
  const small = [{ resolution: { width: 320, height: 180, frameRate: 8 } }, { simulcast: false }];
  for (const page of all)
    await page.evaluate(async (options) => {
      await window.room.localParticipant.setMicrophoneEnabled(true);
      await window.room.localParticipant.setCameraEnabled(true, ...options);
    }, small);
  const missing = async (page, self) => {
    const rest = [];
    for (const name of names.filter((n) => n !== self)) {
      const [camera, microphone] = await Promise.all([inbound(page, name, 'camera'), inbound(page, name, 'microphone')]);
      if (!(camera?.framesDecoded > 10 && microphone?.packets > 50 && microphone.energy > 0)) rest.push(name);
    }
    return rest;
  };
  for (const [i, page] of all.entries())
    await until(`${names[i]} sees and hears everybody`, async () => {
      const rest = await missing(page, names[i]);
      if (rest.length > 0) throw new Error(`not ${rest}`);
      return true;
    }, 60000);
});

for (const single of [true, false]) {
  test(`force-tcp, ${single ? 'single' : 'dual'} connection`, async () => {
    const name = `tcp-${single}`;
    const a = await joinPage(name, 'a', { roomOptions: { singlePeerConnection: single } });
    const b = await joinPage(name, 'b', { roomOptions: { singlePeerConnection: single } });
    await publish(a);
    await publish(b);
    await playing(a, 'b');
    await playing(b, 'a');
    assert.ok((await a.evaluate(() => window.protocols())).every((p) => p === 'udp'));
    const sid = await a.evaluate(() => window.room.localParticipant.sid);
    await a.evaluate(() => window.room.simulateScenario('force-tcp'));
    await until('a new session over TCP', () => a.evaluate(async (old) => {
      const found = await window.protocols();
      return window.room.localParticipant.sid !== old && found.length > 0 && found.every((p) => p === 'tcp');
    }, sid), 40000);
    await playing(a, 'b');
    await playing(b, 'a');
    assert.ok((await b.evaluate(() => window.protocols())).every((p) => p === 'udp'));
  });
}

test('each simulcast layer arrives in its size', async () => {
  const a = await joinPage('layers', 'a');
  // A busy machine may make the encoder leave out pictures, but not scale all layers down.
  await a.evaluate(() =>
    window.room.localParticipant.setCameraEnabled(
      true,
      { resolution: { width: 1280, height: 720 } },
      { degradationPreference: 'maintain-resolution' },
    ),
  );
  const b = await joinPage('layers', 'b');
  await playing(b, 'a');
  for (const [quality, width] of [[0, 320], [2, 1280], [1, 640], [2, 1280], [0, 320]]) {
    await b.evaluate((q) => window.publication('a', 'camera').setVideoQuality(q), quality);
    let first = null; // when it had this width, and has had it since
    await until(`quality ${quality} plays at width ${width}`, async () => {
      const now = await inbound(b, 'a', 'camera');
      first = now.width === width ? (first ?? now) : null;
      return first && now.framesDecoded > first.framesDecoded + 10;
    }, 30000);
  }
});

for (const codec of ['vp9', 'av1']) {
  test(`${codec}, and its backup for a viewer who cannot decode it`, async () => {
    const mime = `video/${codec.toUpperCase()}`;
    const a = await joinPage(codec, 'a');
    const b = await joinPage(codec, 'b');
    const options = [{ resolution: { width: 640, height: 360 } }, { videoCodec: codec }];
    await a.evaluate((o) => window.room.localParticipant.setCameraEnabled(true, ...o), options);
    assert.equal((await playing(b, 'a')).mime, mime);
    const old = await pages.open();
    await old.evaluate((c) => window.withoutCodecs(c), codec.toUpperCase());
    await old.evaluate(([u, t]) => window.join(u, t), [server.ws, tokenFor(codec, 'old')]);
    assert.equal((await playing(old, 'a')).mime, 'video/VP8');
    await until('everyone has the backup', async () => (await inbound(b, 'a', 'camera')).mime === 'video/VP8');
    await playing(b, 'a');
    // What follows is a publication of its own, although the first codec's sender is still there.
    await a.evaluate(() => window.publishCanvas());
    await playing(old, 'a', 'screen_share');
    await playing(b, 'a', 'screen_share');
  });
}

test('a lower frame rate leaves temporal layers out', async () => {
  const a = await joinPage('rates', 'a');
  await publish(a);
  const b = await joinPage('rates', 'b');
  await playing(b, 'a');
  const counts = async () => {
    const [sent, got] = await Promise.all([a.evaluate(() => window.framesSent('camera')), inbound(b, 'a', 'camera')]);
    return { sent, got: got.framesReceived };
  };
  // Of three temporal layers the lowest is every fourth frame.
  for (const [fps, share] of [[8, 0.25], [30, 1]]) {
    await b.evaluate((f) => window.publication('a', 'camera').setVideoFPS(f), fps);
    await until(`${fps} per second`, async () => {
      const before = await counts();
      await sleep(1500);
      const now = await counts();
      const sent = now.sent - before.sent;
      return sent > 8 && Math.abs((now.got - before.got) / sent - share) < 0.2;
    }, 30000);
  }
});

test('mute, unmute, unpublish, publish again', async () => {
  const a = await joinPage('mute', 'a');
  const b = await joinPage('mute', 'b');
  await publish(a);
  await playing(b, 'a');
  await a.evaluate(() => window.room.localParticipant.setMicrophoneEnabled(false));
  await until('mute is seen', () => b.evaluate(() => window.seen.mutes.includes('a audio muted')));
  await a.evaluate(() => window.room.localParticipant.setMicrophoneEnabled(true));
  await until('unmute is seen', () => b.evaluate(() => window.seen.mutes.includes('a audio unmuted')));
  await hearing(b, 'a');
  for (let round = 0; round < 3; round++) {
    await a.evaluate(async () => {
      const camera = window.room.localParticipant.getTrackPublication('camera');
      await window.room.localParticipant.unpublishTrack(camera.track);
    });
    await until('unpublished', () => b.evaluate(() => !window.publication('a', 'camera')));
    await a.evaluate(() => window.room.localParticipant.setCameraEnabled(true));
    await playing(b, 'a');
  }
});

test('screen share beside the camera', async () => {
  const a = await joinPage('screen', 'a');
  const b = await joinPage('screen', 'b');
  await publish(a);
  await a.evaluate(() => window.publishCanvas());
  await playing(b, 'a', 'screen_share');
  await playing(b, 'a', 'camera');
});

test('data packets, text and byte streams, RPC between browser and node', async () => {
  const page = await joinPage('data', 'page');
  const node = await joinNode('data', 'node');
  const received = [];
  node.on(rtc.RoomEvent.DataReceived, (payload, participant, _kind, topic) =>
    received.push({ text: new TextDecoder().decode(payload), from: participant?.identity, topic }));
  node.localParticipant.registerRpcMethod('triple', async (call) => String(Number(call.payload) * 3));
  const texts = [];
  node.registerTextStreamHandler('notes', async (reader, from) => {
    texts.push({ text: await reader.readAll(), from: from.identity });
  });
  await until('they see each other', () => node.remoteParticipants.has('page'));
  await until('and the other way', () => page.evaluate(() => window.room.remoteParticipants.has('node')));

  await page.evaluate(() =>
    window.room.localParticipant.publishData(new TextEncoder().encode('hello node'), { reliable: true, topic: 't' }));
  await until('node gets data', () => received.some((d) => d.text === 'hello node' && d.from === 'page' && d.topic === 't'));
  await node.localParticipant.publishData(new TextEncoder().encode('hello page'), { reliable: false, topic: 'u' });
  await until('page gets data', () => page.evaluate(() =>
    window.seen.data.some((d) => d.text === 'hello page' && d.from === 'node' && d.topic === 'u')));

  const long = '同课'.repeat(20000);
  await page.evaluate((text) => window.room.localParticipant.sendText(text, { topic: 'notes' }), long);
  await until('node gets the text', () => texts.some((t) => t.text === long && t.from === 'page'), 30000);
  await node.localParticipant.sendText('short', { topic: 'notes' });
  await until('page gets the text', () => page.evaluate(() => window.seen.texts.some((t) => t.text === 'short')));
  await page.evaluate(() => {
    const file = new File([new Uint8Array(100000)], 'zero.bin');
    return window.room.localParticipant.sendFile(file, { topic: 'files' });
  });

  const six = await page.evaluate(() =>
    window.room.localParticipant.performRpc({ destinationIdentity: 'node', method: 'triple', payload: '2' }));
  assert.equal(six, '6');
  const eight = await node.localParticipant.performRpc({ destinationIdentity: 'page', method: 'double', payload: '4' });
  assert.equal(eight, '8');
});

/** Which tracks a room of rtc-node has played so far, as "identity kind". */
function playedBy(room) {
  const tracks = new Set();
  room.on(rtc.RoomEvent.TrackSubscribed, async (track, _publication, participant) => {
    const isVideo = track.kind === rtc.TrackKind.KIND_VIDEO;
    for await (const _frame of isVideo ? new rtc.VideoStream(track) : new rtc.AudioStream(track)) {
      tracks.add(`${participant.identity} ${isVideo ? 'video' : 'audio'}`);
      break;
    }
  });
  return tracks;
}

test('rtc-node publishes sound and picture, the browser plays them, and the other way', async () => {
  const page = await joinPage('native', 'page');
  const node = await joinNode('native', 'node');
  const audio = new rtc.AudioSource(48000, 1);
  const video = new rtc.VideoSource(640, 360);
  const options = (source) => Object.assign(new rtc.TrackPublishOptions(), { source });
  await node.localParticipant.publishTrack(
    rtc.LocalAudioTrack.createAudioTrack('mic', audio), options(rtc.TrackSource.SOURCE_MICROPHONE));
  await node.localParticipant.publishTrack(
    rtc.LocalVideoTrack.createVideoTrack('cam', video), options(rtc.TrackSource.SOURCE_CAMERA));
  let isRunning = true;
  const feed = (async () => {
    const tone = Int16Array.from({ length: 480 }, (_, i) => 8000 * Math.sin((2 * Math.PI * 440 * i) / 48000));
    for (let n = 0; isRunning; n++) {
      await audio.captureFrame(new rtc.AudioFrame(tone, 48000, 1, 480));
      if (n % 4 === 0) {
        video.captureFrame(new rtc.VideoFrame(new Uint8Array(640 * 360 * 4).fill(n % 255), 640, 360, rtc.VideoBufferType.RGBA));
        await sleep(1);
      }
    }
  })();
  try {
    await playing(page, 'node');
    await hearing(page, 'node');
    const played = playedBy(node);
    await publish(page);
    await until('node plays both', () => played.has('page video') && played.has('page audio'));
    // somebody who comes later has everything in its first answer
    let playedLate;
    await joinNode('native', 'late', (room) => {
      playedLate = playedBy(room);
    });
    await until('the late one plays both of both', () => playedLate.size === 4);
  } finally {
    isRunning = false;
    await feed;
  }
});

test('a cut signalling line is resumed without anybody seeing a leave', async () => {
  const a = await joinPage('cut', 'a');
  const b = await joinPage('cut', 'b');
  await publish(a);
  await playing(b, 'a');
  await b.evaluate(() => {
    window.left = 0;
    window.room.on('participantDisconnected', () => window.left++);
  });
  const sid = await a.evaluate(() => window.room.localParticipant.sid);
  await a.evaluate(() => window.room.simulateScenario('signal-reconnect'));
  await until('resumed', () => a.evaluate(() => window.room.state === 'connected' && window.seen.states.includes('signalReconnecting')), 30000);
  assert.equal(await a.evaluate(() => window.room.localParticipant.sid), sid);
  await playing(b, 'a');
  assert.equal(await b.evaluate(() => window.left), 0);
});

test('a full reconnect brings everything back', async () => {
  const a = await joinPage('full', 'a');
  const b = await joinPage('full', 'b');
  await publish(a);
  await playing(b, 'a');
  const sid = await a.evaluate(() => window.room.localParticipant.sid);
  await a.evaluate(() => window.room.simulateScenario('full-reconnect'));
  await until('a new session', () => a.evaluate((old) => window.room.state === 'connected' && window.room.localParticipant.sid !== old, sid), 30000);
  await playing(b, 'a');
  await hearing(b, 'a');
});

test('server killed and started again: clients come back by themselves', async () => {
  const a = await joinPage('restart', 'a');
  await publish(a);
  await server.kill();
  await server.launch();
  const b = await joinPage('restart', 'b');
  await playing(b, 'a');
});

test('speakers, metadata, permissions through RoomService', async () => {
  const service = new RoomServiceClient(server.http, 'devkey', 'secret');
  const a = await joinPage('admin', 'a');
  const b = await joinPage('admin', 'b');
  await a.evaluate(async () => {
    await window.publishTone();
    await window.room.localParticipant.setCameraEnabled(true);
  });
  await playing(b, 'a');
  await until('a is an active speaker', () => b.evaluate(() => window.room.activeSpeakers.some((p) => p.identity === 'a')));
  assert.ok((await service.listRooms()).some((room) => room.name === 'admin'));
  const participants = await service.listParticipants('admin');
  assert.deepEqual(participants.map((p) => p.identity).sort(), ['a', 'b']);
  const camera = participants.find((p) => p.identity === 'a').tracks.find((t) => t.type === 1);
  await service.mutePublishedTrack('admin', 'a', camera.sid, true);
  await until('muted by the server', () => a.evaluate(() => window.room.localParticipant.getTrackPublication('camera').isMuted));
  await service.updateRoomMetadata('admin', 'new metadata');
  await until('metadata arrives', () => b.evaluate(() => window.room.metadata === 'new metadata'));
  await service.updateParticipant('admin', 'b', { permission: { canSubscribe: true, canPublish: false, canPublishData: true } });
  await until('permission arrives', () => b.evaluate(() => window.room.localParticipant.permissions.canPublish === false));
  await service.sendData('admin', new TextEncoder().encode('from the api'), 0, { topic: 'api' });
  await until('data arrives', () => b.evaluate(() => window.seen.data.some((d) => d.text === 'from the api')));
  await service.removeParticipant('admin', 'b');
  await until('b is removed', () => b.evaluate(() => window.room.state === 'disconnected'));
  await service.deleteRoom('admin');
  await until('a is sent away', () => a.evaluate(() => window.room.state === 'disconnected'));
});

test('a second session with the same identity takes over', async () => {
  const first = await joinPage('twin', 'same');
  const second = await joinPage('twin', 'same');
  await until('the first is sent away', () => first.evaluate(() => window.room.state === 'disconnected'));
  assert.equal(await second.evaluate(() => window.room.state), 'connected');
});

test('bad tokens are refused with the right statuses', async () => {
  const status = async (path) => (await fetch(server.http + path)).status;
  assert.equal(await status('/rtc/v1/validate'), 401);
  assert.equal(await status('/rtc/v1/validate?access_token=nonsense'), 401);
  assert.equal(await status(`/rtc/validate?access_token=${token('--room', 'x', '--identity', 'a', '--api-secret', 'wrong-secret')}`), 401);
  assert.equal(await status(`/rtc/validate?access_token=${token('--room', 'x', '--identity', 'a')}`), 200);
  const page = await pages.open();
  const message = await page.evaluate(([url]) => window.join(url, 'nonsense').then(() => 'joined', (error) => error.name), [server.ws]);
  assert.equal(message, 'ConnectionError');
});
