// The project's own pages in browsers, one context for each site, as separate computers would be.
import { lessonToken, until } from './server.js';

export const SITES = {
  center: ['lecture', '李老师', '县第一小学'],
  shiqiao: ['remote', '三年级', '石桥教学点'],
  yunling: ['remote', '三年级一班', '云岭小学'],
  baishui: ['remote', '复式班', '白水教学点'],
  watcher: ['observer', '教研员小王', '县教研室'],
};

/* livekit-client 2.23 takes an offer of its own back when it restarts ICE after a lost line. An answer to that offer that
 * comes just then is an error inside it that nobody handles; it goes on with its next offer, as the pages then show. */
const isTakenBack = (error) => error.name === 'NegotiationError' && error.message.includes('Called in wrong state: stable');

/** Whose link the page has open. */
const identityOf = (page) => {
  const token = /token=[^.]+\.([^.]+)\./.exec(page.url())?.[1];
  return token ? JSON.parse(Buffer.from(token, 'base64url')).sub : page.url();
};

export class LessonPages {
  constructor(server, browser, lesson) {
    Object.assign(this, { server, browser, lesson, contexts: [], errors: [] });
  }

  link(identity) {
    const [role, name, school] = SITES[identity];
    return `${this.server.http}/lesson/${this.lesson}#token=${lessonToken(this.lesson, identity, role, name, school)}`;
  }

  /** A page of its own context; `init` runs in it before anything else. */
  async blank({ init, viewport = { width: 1280, height: 720 } } = {}) {
    const context = await this.browser.newContext({ viewport, permissions: ['camera', 'microphone'] });
    this.contexts.push(context);
    const page = await context.newPage();
    page.setDefaultTimeout(15000);
    page.on('pageerror', (error) => {
      if (!isTakenBack(error)) this.errors.push(`${identityOf(page)}: ${error.stack}`);
    });
    if (init) await page.addInitScript(init);
    return page;
  }

  async open(identity, options) {
    const page = await this.blank(options);
    await page.goto(this.link(identity));
    return page;
  }

  async closeAll() {
    await Promise.all(this.contexts.splice(0).map((context) => context.close()));
  }
}

/** Waits until the element is there; by the data-testid that every button and tile has. */
export const shows = (page, id) => page.getByTestId(id).waitFor();
export const hides = (page, id) => page.getByTestId(id).waitFor({ state: 'detached' });
export const click = (page, id) => page.getByTestId(id).click();

/** Waits until the state line of a far classroom says this word. */
export const says = (page, word) => page.locator(`[data-testid=state-line][data-word=${word}]`).waitFor();

/** Waits until a decoded picture moves inside the element. */
export async function plays(page, id) {
  const frames = () =>
    page.evaluate((testId) => {
      const video = document.querySelector(`[data-testid="${testId}"] video`);
      return video && video.videoWidth > 0 ? video.getVideoPlaybackQuality().totalVideoFrames : 0;
    }, id);
  const first = await until(`a picture in ${id}`, frames);
  await until(`a moving picture in ${id}`, async () => (await frames()) > first + 5);
}

/* Runs in the page: a picture with a moving bar takes the place of the screen that nobody can pick here. */
export function fakeScreen() {
  navigator.mediaDevices.getDisplayMedia = () => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 1280, height: 720 });
    const context = canvas.getContext('2d');
    let x = 0;
    setInterval(() => {
      context.fillStyle = '#fff';
      context.fillRect(0, 0, 1280, 720);
      context.fillStyle = '#036';
      context.fillRect((x += 16) % 1280, 0, 64, 720);
    }, 66);
    return Promise.resolve(canvas.captureStream(15));
  };
}

/* Runs in the page: the browser answers every request for this kind of device with this error. */
export function refusing(kind, name) {
  const script = (wanted, error) => {
    const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = (constraints) =>
      constraints[wanted] ? Promise.reject(new DOMException('', error)) : real(constraints);
  };
  return `(${script})(${JSON.stringify(kind)}, ${JSON.stringify(name)})`;
}
