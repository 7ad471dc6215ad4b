// Runs in the page: WHIP and WHEP clients out of nothing but fetch and RTCPeerConnection.
const sessions = new Map();

async function gathered(pc) {
  if (pc.iceGatheringState === 'complete') return;
  await new Promise((resolve) => {
    pc.addEventListener('icegatheringstatechange', () => pc.iceGatheringState === 'complete' && resolve());
  });
}

/** POSTs the offer; keeps the session under `name`; what the server said. */
async function post(name, pc, url, token) {
  await pc.setLocalDescription();
  await gathered(pc);
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/sdp', authorization: `Bearer ${token}` },
    body: pc.localDescription.sdp,
  });
  const body = await response.text();
  const session = {
    pc,
    status: response.status,
    location: new URL(response.headers.get('location') ?? '/', url).href,
    etag: response.headers.get('etag'),
    type: response.headers.get('content-type'),
    links: response.headers.get('link'),
    body,
  };
  sessions.set(name, session);
  if (response.status === 201) await pc.setRemoteDescription({ type: 'answer', sdp: body });
  const { pc: _pc, ...told } = session;
  return told;
}

/** Publishes the fake camera and microphone; `rids` lists simulcast layers, lowest first. */
window.whip = async (name, url, token, { rids = [], video = true, data = false, codec = '' } = {}) => {
  const pc = new RTCPeerConnection();
  const media = await navigator.mediaDevices.getUserMedia({ audio: true, video: video && { width: 640, height: 360 } });
  pc.addTransceiver(media.getAudioTracks()[0], { direction: 'sendonly', streams: [media] });
  if (video) {
    const sendEncodings = rids.map((rid, i) => ({ rid, scaleResolutionDownBy: 2 ** (rids.length - 1 - i) }));
    const transceiver = pc.addTransceiver(media.getVideoTracks()[0], { direction: 'sendonly', streams: [media], sendEncodings });
    if (codec) {
      const { codecs } = RTCRtpSender.getCapabilities('video');
      transceiver.setCodecPreferences(codecs.filter((c) => c.mimeType === codec || c.mimeType === 'video/rtx'));
    }
  }
  if (data) pc.createDataChannel('extra');
  return post(name, pc, url, token);
};

/** Plays what comes, in one section for sound and `videos` for pictures. */
window.whep = async (name, url, token, videos = 1) => {
  const pc = new RTCPeerConnection();
  pc.addTransceiver('audio', { direction: 'recvonly' });
  for (let i = 0; i < videos; i++) pc.addTransceiver('video', { direction: 'recvonly' });
  pc.addEventListener('track', ({ track, streams }) => {
    const element = document.createElement(track.kind);
    element.srcObject = new MediaStream([track]);
    element.autoplay = true;
    element.dataset.streams = streams.map((s) => s.id).join(' ');
    document.body.append(element);
  });
  return post(name, pc, url, token);
};

window.state = (name) => sessions.get(name).pc.connectionState;

/** Figures of everything that arrives, by mid. */
window.arriving = async (name) => {
  const inbound = {};
  for (const stat of (await sessions.get(name).pc.getStats()).values()) {
    if (stat.type !== 'inbound-rtp') continue;
    inbound[stat.mid] = {
      kind: stat.kind,
      ssrc: stat.ssrc,
      packets: stat.packetsReceived,
      frames: stat.framesDecoded ?? 0,
      width: stat.frameWidth ?? 0,
      energy: stat.totalAudioEnergy ?? 0,
      lost: stat.packetsLost,
      discarded: stat.packetsDiscarded,
    };
  }
  return inbound;
};

window.sending = async (name) => {
  const outbound = [];
  for (const stat of (await sessions.get(name).pc.getStats()).values())
    if (stat.type === 'outbound-rtp') outbound.push({ kind: stat.kind, rid: stat.rid, packets: stat.packetsSent, width: stat.frameWidth ?? 0 });
  return outbound;
};

/** The pair that carries the media now: its local user fragment. */
window.ufrag = (name) => /a=ice-ufrag:(\S+)/.exec(sessions.get(name).pc.localDescription.sdp)[1];

/** Restarts ICE by PATCH (RFC 9725, 4.3.3); the status and the new ETag. */
window.restartIce = async (name, ifMatch = '*') => {
  const session = sessions.get(name);
  const { pc } = session;
  pc.restartIce();
  await pc.setLocalDescription();
  await gathered(pc);
  const { sdp } = pc.localDescription;
  const line = (key) => new RegExp(`^a=${key}:.*$`, 'm').exec(sdp)[0].trim();
  const candidates = sdp.match(/^a=candidate:.*$/gm) ?? [];
  const frag = [line('ice-ufrag'), line('ice-pwd'), sdp.match(/^m=.*$/m)[0].trim(), line('mid'), ...candidates.map((c) => c.trim()), ''];
  const response = await fetch(session.location, {
    method: 'PATCH',
    headers: { 'content-type': 'application/trickle-ice-sdpfrag', 'if-match': ifMatch },
    body: frag.join('\r\n'),
  });
  const body = await response.text();
  if (response.status !== 200) return { status: response.status, body };
  session.etag = response.headers.get('etag');
  const value = (key) => new RegExp(`^a=${key}:(.*)$`, 'm').exec(body)[1].trim();
  const answer = session.body
    .replace(/a=ice-ufrag:.*\r\n/g, `a=ice-ufrag:${value('ice-ufrag')}\r\n`)
    .replace(/a=ice-pwd:.*\r\n/g, `a=ice-pwd:${value('ice-pwd')}\r\n`);
  await pc.setRemoteDescription({ type: 'answer', sdp: answer });
  return { status: 200, etag: session.etag, body };
};

window.hangUp = async (name) => {
  const response = await fetch(sessions.get(name).location, { method: 'DELETE' });
  return response.status;
};

window.closePeer = (name) => sessions.get(name).pc.close();
