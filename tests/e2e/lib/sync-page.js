// Runs in the browser: the times of the clip's flashes (white square at the top right) and of its tones (1 kHz), both on
// performance.now()'s clock, as a viewer gets them.
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

  const sound = new AudioContext({ latencyHint: 'interactive' });
  const code = `registerProcessor('tone', class extends AudioWorkletProcessor {
    constructor() { super(); this.s1 = 0; this.s2 = 0; this.n = 0; this.total = 0; this.k = 2 * Math.cos(2 * Math.PI * 1000 / sampleRate); this.on = false; }
    process(inputs) {
      const x = inputs[0][0];
      if (!x) return true;
      for (let i = 0; i < x.length; i++) {
        const s = x[i] + this.k * this.s1 - this.s2;
        this.s2 = this.s1; this.s1 = s; this.total += x[i] * x[i];
        if (++this.n === 240) {
          const power = (this.s1 * this.s1 + this.s2 * this.s2 - this.k * this.s1 * this.s2) / (120 * 240);
          const mean = this.total / 240;
          // Nearly all energy of these 5 ms in one kilohertz: the tone, not speech.
          const on = mean > 0.01 && power > 0.6 * mean;
          if (on && !this.on) this.port.postMessage(currentTime + (i - 240) / sampleRate);
          this.on = on; this.s1 = this.s2 = this.n = this.total = 0;
        }
      }
      return true;
    }
  });`;
  await sound.audioWorklet.addModule(URL.createObjectURL(new Blob([code], { type: 'text/javascript' })));
  const node = new AudioWorkletNode(sound, 'tone');
  node.port.onmessage = ({ data }) => {
    const stamp = sound.getOutputTimestamp();
    tones.push(stamp.performanceTime + (data - stamp.contextTime) * 1000);
  };
  sound.createMediaStreamSource(new MediaStream([audio])).connect(node).connect(sound.destination);

  await new Promise((resolve) => setTimeout(resolve, ms));
  // Every tone against the nearest flash.
  const offsets = tones
    .map((tone) => flashes.map((flash) => tone - flash).reduce((a, b) => (Math.abs(b) < Math.abs(a) ? b : a), Infinity))
    .filter((offset) => Math.abs(offset) < 400);
  await sound.close();
  element.remove();
  return { flashes: flashes.length, tones: tones.length, offsets };
};
