// Goal: a camera's stream over RTSP is published as it is, H.264 or VP8, with its sound.
// Method: GStreamer's RTSP server as the camera, `tongke publish` between, rtc-node as the viewer that decodes.
import assert from 'node:assert/strict';
import path from 'node:path';

import * as rtc from '@livekit/rtc-node';

import { after, before, start, stop, test } from './lib/limits.js';
import { Server, program, root, token, until } from './lib/server.js';

let server;

before(async () => {
  server = await Server.start();
});
after(async () => {
  await rtc.dispose();
  assert.deepEqual(await server.stop(), { code: 0, signal: null });
});

function startHeard(command, args) {
  const child = start(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  child.text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (child.text += data));
  return child;
}

const encoders = {
  H264: 'openh264enc gop-size=30 ! h264parse ! rtph264pay config-interval=1 name=pay0 pt=96',
  VP8: 'vp8enc deadline=1 keyframe-max-dist=30 ! rtpvp8pay name=pay0 pt=96',
};
for (const [codec, encoder] of Object.entries(encoders)) {
  test(`a camera with ${codec}`, async () => {
    const camera = startHeard('/usr/bin/python3', [path.join(root, 'tests/e2e/lib/rtsp.py'),
      `( videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=15/1 ! ${encoder} ` +
      'audiotestsrc is-live=true ! audioconvert ! opusenc ! rtpopuspay name=pay1 pt=97 )']);
    const room = new rtc.Room();
    let publisher;
    try {
      const port = await until(`the camera listens`, () => /^(\d+)\n/.exec(camera.text)?.[1]);
      const got = new Set();
      room.on(rtc.RoomEvent.TrackSubscribed, async (track) => {
        const isVideo = track.kind === rtc.TrackKind.KIND_VIDEO;
        let count = 0;
        for await (const event of isVideo ? new rtc.VideoStream(track) : new rtc.AudioStream(track)) {
          if (isVideo) assert.equal(event.frame.width, 320);
          if (++count === 10) got.add(isVideo ? 'picture' : 'sound');
          if (count > 10) break;
        }
      });
      await room.connect(server.ws, token('--room', codec, '--identity', 'viewer'), { autoSubscribe: true });
      publisher = startHeard(program, ['publish', `rtsp://127.0.0.1:${port}/live`, '--url', server.ws, '--room', codec, '--identity', 'camera']);
      await until('picture and sound', () => got.size === 2, 30000);
      assert.match(publisher.text, new RegExp(`picture: ${codec.toLowerCase()} 320x240 as it is`));
      assert.equal((await stop(publisher)).code, 0);
    } finally {
      publisher?.kill('SIGKILL');
      camera.kill('SIGKILL');
      await room.disconnect();
    }
  });
}
