// Runs in the browser: the times of the clip's flashes (white square at the top right) and of its tones (1 kHz), both on
// performance.now()'s clock, as a viewer gets them.

/** Finds the clip's tones: 40 ms of 1 kHz. Speech passes a single block at times, never most of 30 ms. */
class ToneDetector {
  static block = 5; // ms
  static needed = 4; // of the newest six blocks
  static rest = 500; // ms after a tone in which no other begins

  constructor(onTone) {
    this.onTone = onTone;
    this.blocks = []; // the newest six: when it began, whether nearly all of its energy is in 1 kHz
    this.next = -Infinity;
    this.clear();
  }

  clear() {
    this.s1 = this.s2 = this.total = this.count = 0;
  }

  /** `time` of the first sample in ms. */
  add(samples, rate, time) {
    const size = (rate * ToneDetector.block) / 1000;
    const k = 2 * Math.cos((2 * Math.PI * 1000) / rate);
    for (let i = 0; i < samples.length; i++) {
      const s = samples[i] + k * this.s1 - this.s2;
      this.s2 = this.s1;
      this.s1 = s;
      this.total += samples[i] ** 2;
      if (++this.count < size) continue;
      const power = (this.s1 ** 2 + this.s2 ** 2 - k * this.s1 * this.s2) / ((size / 2) * size);
      const mean = this.total / size;
      this.addBlock(time + ((i + 1 - size) / rate) * 1000, mean > 0.02 && power > 0.7 * mean);
      this.clear();
    }
  }

  addBlock(time, isOn) {
    this.blocks.push({ time, isOn });
    if (this.blocks.length > 6) this.blocks.shift();
    const on = this.blocks.filter((block) => block.isOn);
    if (on.length < ToneDetector.needed || on[0].time < this.next) return;
    this.onTone(on[0].time);
    this.next = on[0].time + ToneDetector.rest;
  }
}

window.measureSync = async (identity, ms) => {
  const video = window.publication(identity, 'camera').track.mediaStreamTrack;
  const audio = window.publication(identity, 'microphone').track.mediaStreamTrack;
  const flashes = [];
  const tones = [];

  // One element plays both, as a page does, so that the browser keeps them together.
  const element = Object.assign(document.createElement('video'), { muted: false, playsInline: true });
  element.srcObject = new MediaStream([video, audio]);
  document.body.append(element);
  await element.play();

  const canvas = Object.assign(document.createElement('canvas'), { width: 32, height: 18 });
  const context = canvas.getContext('2d', { willReadFrequently: true });
  let wasWhite = false;
  const onFrame = (_now, frame) => {
    context.drawImage(element, 0, 0, 32, 18);
    const [r, g, b] = context.getImageData(29, 2, 1, 1).data; // the square's middle, scaled down by 40
    const isWhite = Math.min(r, g, b) > 200;
    if (isWhite && !wasWhite) flashes.push(frame.expectedDisplayTime);
    wasWhite = isWhite;
    element.requestVideoFrameCallback(onFrame);
  };
  element.requestVideoFrameCallback(onFrame);

  // The decoded sound as the track's sinks get it; its stamps are on performance.now()'s clock.
  const reader = new MediaStreamTrackProcessor({ track: audio.clone() }).readable.getReader();
  const detector = new ToneDetector((time) => tones.push(time));
  const reading = (async () => {
    for (;;) {
      const { value: data, done } = await reader.read();
      if (done) return;
      const samples = new Float32Array(data.numberOfFrames);
      data.copyTo(samples, { planeIndex: 0, format: 'f32-planar' });
      detector.add(samples, data.sampleRate, data.timestamp / 1000);
      data.close();
    }
  })();

  await new Promise((resolve) => setTimeout(resolve, ms));
  // Every tone against the nearest flash.
  const offsets = tones
    .map((tone) => flashes.map((flash) => tone - flash).reduce((a, b) => (Math.abs(b) < Math.abs(a) ? b : a), Infinity))
    .filter((offset) => Math.abs(offset) < 400);
  await reader.cancel();
  await reading;
  element.remove();
  return { flashes: flashes.length, tones: tones.length, offsets };
};
