// Runs in the browser: a room on window.room, what happened to it on window.seen, and figures about tracks.
/* global LivekitClient */
window.seen = { data: [], rpc: [], texts: [], bytes: [], states: [], mutes: [], keyErrors: 0 };

window.join = async (url, token, options = {}) => {
  const { roomOptions = {}, connectOptions = {}, key } = options;
  if (key) {
    const keyProvider = new LivekitClient.ExternalE2EEKeyProvider();
    await keyProvider.setKey(key);
    roomOptions.encryption = { keyProvider, worker: new Worker('/e2ee.worker.js') };
  }
  const room = new LivekitClient.Room(roomOptions);
  window.room = room;
  const { RoomEvent } = LivekitClient;
  room.on(RoomEvent.DataReceived, (payload, participant, _kind, topic) => {
    window.seen.data.push({ text: new TextDecoder().decode(payload), from: participant?.identity, topic });
  });
  room.on(RoomEvent.ConnectionStateChanged, (state) => window.seen.states.push(state));
  room.on(RoomEvent.TrackMuted, (p, who) => window.seen.mutes.push(`${who.identity} ${p.kind} muted`));
  room.on(RoomEvent.TrackUnmuted, (p, who) => window.seen.mutes.push(`${who.identity} ${p.kind} unmuted`));
  room.on(RoomEvent.Disconnected, (reason) => window.seen.states.push(`reason ${reason}`));
  room.on(RoomEvent.TrackSubscribed, (track) => {
    const element = track.attach();
    document.body.append(element);
  });
  room.registerTextStreamHandler('notes', async (reader, from) => {
    window.seen.texts.push({ text: await reader.readAll(), from: from.identity });
  });
  room.registerByteStreamHandler('files', async (reader, from) => {
    const parts = await reader.readAll();
    window.seen.bytes.push({ size: parts.reduce((sum, part) => sum + part.length, 0), from: from.identity });
  });
  room.registerRpcMethod('double', async (call) => String(Number(call.payload) * 2));
  room.on(RoomEvent.EncryptionError, () => window.seen.keyErrors++);
  if (key) await room.setE2EEEnabled(true);
  await room.connect(url, token, connectOptions);
  return room.localParticipant.sid;
};

/** Publishes a steady tone as the microphone: the fake device only beeps now and then. */
window.publishTone = async () => {
  const context = new AudioContext();
  const tone = new OscillatorNode(context, { frequency: 440 });
  const out = context.createMediaStreamDestination();
  tone.connect(new GainNode(context, { gain: 0.5 })).connect(out);
  tone.start();
  await window.room.localParticipant.publishTrack(out.stream.getAudioTracks()[0], { source: 'microphone', name: 'tone' });
};

/** A remote publication, by identity and source. */
window.publication = (identity, source) => window.room.remoteParticipants.get(identity)?.getTrackPublication(source);

/** What arrives of a remote track now, from WebRTC's statistics. */
window.inbound = async (identity, source) => {
  const track = window.publication(identity, source)?.track;
  if (!track) return null;
  const report = await track.getRTCStatsReport();
  let found = null;
  const mimes = new Map();
  report?.forEach((stat) => mimes.set(stat.id, stat.mimeType));
  report?.forEach((stat) => {
    if (stat.type === 'inbound-rtp') {
      found = {
        mime: mimes.get(stat.codecId),
        ssrc: stat.ssrc,
        packets: stat.packetsReceived,
        lost: stat.packetsLost,
        framesDecoded: stat.framesDecoded ?? 0,
        framesReceived: stat.framesReceived ?? 0,
        freezes: stat.freezeCount ?? 0,
        width: stat.frameWidth ?? 0,
        height: stat.frameHeight ?? 0,
        level: stat.audioLevel ?? 0,
        energy: stat.totalAudioEnergy ?? 0,
        nacks: stat.nackCount ?? 0,
        plis: stat.pliCount ?? 0,
      };
    }
  });
  return found;
};

/** How many frames of its best encoding the page has sent of its own track. */
window.framesSent = async (source) => {
  const report = await window.room.localParticipant.getTrackPublication(source).track.sender.getStats();
  let most = 0;
  report.forEach((stat) => {
    if (stat.type === 'outbound-rtp') most = Math.max(most, stat.framesSent ?? 0);
  });
  return most;
};

/** What the local and remote ends of every selected pair of candidates speak: "udp", "tcp". */
window.protocols = async () => {
  const { publisher, subscriber } = window.room.engine.pcManager;
  const found = [];
  for (const transport of [publisher, subscriber]) {
    const report = await transport?.getStats();
    const pairs = new Set();
    report?.forEach((stat) => stat.type === 'transport' && stat.selectedCandidatePairId && pairs.add(stat.selectedCandidatePairId));
    for (const id of pairs) found.push(report.get(report.get(id).remoteCandidateId).protocol);
  }
  return found;
};

/** The SRTP profile of every connection that the page has. */
window.srtpProfiles = async () => {
  const { publisher, subscriber } = window.room.engine.pcManager;
  const profiles = [];
  for (const transport of [publisher, subscriber]) {
    const report = await transport?.getStats();
    report?.forEach((stat) => {
      if (stat.type === 'transport' && stat.srtpCipher) profiles.push(stat.srtpCipher);
    });
  }
  return profiles;
};

/** From now on this browser cannot do these video codecs: they are missing from what it offers and answers. */
window.withoutCodecs = (...names) => {
  const strip = (sdp) => {
    const gone = new Set();
    for (const [, type, name] of sdp.matchAll(/^a=rtpmap:(\d+) ([^/]+)/gm)) if (names.includes(name)) gone.add(type);
    for (const [, type, apt] of sdp.matchAll(/^a=fmtp:(\d+) apt=(\d+)/gm)) if (gone.has(apt)) gone.add(type);
    const isKept = (line) => !gone.has(/^a=(?:rtpmap|fmtp|rtcp-fb):(\d+)/.exec(line)?.[1]);
    const cut = (line) => (line.startsWith('m=video') ? line.split(' ').filter((x, i) => i < 3 || !gone.has(x)).join(' ') : line);
    return sdp.split('\r\n').filter(isKept).map(cut).join('\r\n');
  };
  for (const name of ['createOffer', 'createAnswer']) {
    const real = RTCPeerConnection.prototype[name];
    RTCPeerConnection.prototype[name] = async function (...args) {
      const { type, sdp } = await real.apply(this, args);
      return { type, sdp: strip(sdp) };
    };
  }
};

/** Publishes a moving canvas as a screen share. */
window.publishCanvas = async () => {
  const canvas = Object.assign(document.createElement('canvas'), { width: 1280, height: 720 });
  const context = canvas.getContext('2d');
  let n = 0;
  setInterval(() => {
    context.fillStyle = `hsl(${n++ % 360} 80% 50%)`;
    context.fillRect(0, 0, 1280, 720);
  }, 50);
  const [track] = canvas.captureStream(15).getVideoTracks();
  await window.room.localParticipant.publishTrack(track, { source: 'screen_share', name: 'screen' });
};
