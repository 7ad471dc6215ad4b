// Goal: a lesson through the real pages: a teacher, three classrooms and an observer, with every button; the line and the
// server lost and found again; each thing that can be wrong with a link or a device in its own words.
// Method: the real server and the built web app; Chromium with fake devices, one browser context for each site.
import assert from 'node:assert/strict';

import { launchBrowser } from './lib/browser.js';
import { LessonPages, SITES, click, fakeScreen, hides, plays, refusing, says, shows } from './lib/lesson-pages.js';
import { after, before, test } from './lib/limits.js';
import { Server, expiredLessonToken, lessonToken, sleep, token } from './lib/server.js';

let server, browser, pages, teacher, shiqiao, yunling, baishui, watcher;

before(async () => {
  server = await Server.start();
  await server.createLesson('pages', '三年级音乐');
  browser = await launchBrowser('--host-resolver-rules=MAP school.test 127.0.0.1');
  pages = new LessonPages(server, browser, 'pages');
  teacher = await pages.open('center', { init: fakeScreen });
  [shiqiao, yunling, baishui, watcher] = await Promise.all(
    ['shiqiao', 'yunling', 'baishui', 'watcher'].map((identity) => pages.open(identity)),
  );
});

after(async () => {
  await pages?.closeAll();
  await browser?.close();
  assert.deepEqual(pages?.errors, []);
  assert.deepEqual(await server?.stop(), { code: 0, signal: null });
});

const online = (page) => page.locator('[data-testid=line-state]:is([data-line=good],[data-line=poor])').waitFor();

test('every link opens the page of its role, untouched', async () => {
  await shows(teacher, 'teacher-page');
  await shows(watcher, 'observer-page');
  for (const page of [shiqiao, yunling, baishui]) await shows(page, 'remote-page');
  await Promise.all([online(teacher), online(watcher), ...[shiqiao, yunling, baishui].map((page) => says(page, 'listening'))]);
  for (const page of [teacher, watcher])
    for (const identity of ['shiqiao', 'yunling', 'baishui']) await shows(page, `tile-${identity}`);
  assert.equal(await teacher.getByTestId('lesson-title').textContent(), '三年级音乐');
});

test('pictures come: the lecture everywhere, the classrooms to the teacher and the observer', async () => {
  await Promise.all([
    ...[shiqiao, yunling, baishui, watcher].map((page) => plays(page, 'lecture-main')),
    ...['shiqiao', 'yunling', 'baishui'].flatMap((identity) => [plays(teacher, `tile-${identity}`), plays(watcher, `tile-${identity}`)]),
    ...[teacher, shiqiao].map((page) => plays(page, 'own-preview')),
  ]);
});

test('the observer leaves no trace on any other page', async () => {
  for (const page of [teacher, shiqiao, yunling]) {
    const text = await page.evaluate(() => document.body.innerText);
    assert.ok(!text.includes(SITES.watcher[1]) && !text.includes(SITES.watcher[2]));
  }
  for (const id of ['hand', 'mute-all', 'end-lesson', 'call-shiqiao']) assert.equal(await watcher.getByTestId(id).count(), 0);
});

test('hands: raised in order, lowered by either side', async () => {
  await click(yunling, 'hand');
  await says(yunling, 'hand_up');
  await click(shiqiao, 'hand');
  await says(shiqiao, 'hand_up');
  assert.match(await shiqiao.getByTestId('state-line').textContent(), /2/);
  await shows(teacher, 'lower-hand-shiqiao');
  const order = await teacher.locator('article').evaluateAll((cards) => cards.map((card) => card.dataset.testid));
  assert.deepEqual(order.slice(0, 2), ['site-yunling', 'site-shiqiao']);
  assert.match(await teacher.getByTestId('hand-count').textContent(), /2/);
  await click(teacher, 'lower-hand-yunling');
  await says(yunling, 'listening');
  await click(shiqiao, 'hand');
  await says(shiqiao, 'listening');
  await hides(teacher, 'lower-hand-shiqiao');
});

test('the stage: called by one click, seen by everyone, put down from three places', async () => {
  await click(teacher, 'call-shiqiao');
  await says(shiqiao, 'on_stage');
  await Promise.all([yunling, baishui, watcher, teacher].map((page) => plays(page, 'stage-shiqiao')));
  assert.equal(await yunling.getByTestId('stage-baishui').count(), 0);
  await teacher.getByTestId('tile-shiqiao').getByRole('img', { name: '麦克风开着' }).waitFor();
  await click(teacher, 'put-down-shiqiao');
  await says(shiqiao, 'listening');
  await hides(yunling, 'stage-shiqiao');

  await click(teacher, 'call-shiqiao');
  await says(shiqiao, 'on_stage');
  await click(teacher, 'stage-put-down-shiqiao');
  await says(shiqiao, 'listening');

  await click(teacher, 'call-baishui');
  await says(baishui, 'on_stage');
  await click(baishui, 'own-leave-stage');
  await says(baishui, 'listening');
  await hides(teacher, 'stage');
});

test('the floor: opened and closed by the teacher, closed by the classroom, all muted', async () => {
  await click(teacher, 'give-floor-yunling');
  await says(yunling, 'microphone_open');
  await click(teacher, 'take-floor-yunling');
  await says(yunling, 'listening');
  await click(teacher, 'give-floor-yunling');
  await says(yunling, 'microphone_open');
  await click(yunling, 'own-close-microphone');
  await says(yunling, 'listening');
  await click(teacher, 'give-floor-yunling');
  await click(teacher, 'call-baishui');
  await says(baishui, 'on_stage');
  await click(teacher, 'mute-all');
  await says(baishui, 'on_stage_muted');
  await says(yunling, 'listening');
  await click(teacher, 'put-down-baishui');
  await says(baishui, 'listening');
});

test('a shared screen is large, the teacher small; a click swaps them', async () => {
  await click(teacher, 'share-screen');
  await yunling.locator('[data-testid=lecture-main][data-kind=screen]').waitFor();
  await plays(yunling, 'lecture-main');
  await click(yunling, 'enlarge-camera');
  await yunling.locator('[data-testid=lecture-main][data-kind=camera]').waitFor();
  await click(yunling, 'enlarge-screen');
  await yunling.locator('[data-testid=lecture-main][data-kind=screen]').waitFor();
  await click(teacher, 'share-screen');
  await yunling.locator('[data-testid=lecture-main][data-kind=camera]').waitFor();
});

test('the teacher closes and opens camera and microphone, and sees the level', async () => {
  await click(teacher, 'toggle-camera');
  await yunling.locator('[data-testid=lecture-main][data-kind=none]').waitFor();
  await click(teacher, 'toggle-camera');
  await yunling.locator('[data-testid=lecture-main][data-kind=camera]').waitFor();
  await click(teacher, 'toggle-microphone');
  await teacher.waitForFunction(() => Number(document.querySelector('[data-testid=level-meter]').getAttribute('aria-valuenow')) > 0);
  await click(teacher, 'toggle-microphone');
  for (const kind of ['camera', 'microphone']) await shows(teacher, `choose-${kind}`);
});

test('the language changes by the switch, and full screen by its button', async () => {
  await click(baishui, 'language-switch');
  await baishui.getByText('Raise hand').waitFor();
  await click(baishui, 'language-switch');
  await baishui.getByText('举手').waitFor();
  await click(baishui, 'full-screen');
  await baishui.waitForFunction(() => document.fullscreenElement !== null);
  await click(baishui, 'full-screen');
  await baishui.waitForFunction(() => document.fullscreenElement === null);
});

test('the same link opened elsewhere takes over, and can be taken back', async () => {
  const second = await pages.open('baishui');
  await says(second, 'listening');
  await shows(baishui, 'problem-opened_elsewhere');
  await click(baishui, 'retry');
  await says(baishui, 'listening');
  await shows(second, 'problem-opened_elsewhere');
  await second.context().close();
});

test('a page that was offline has missed nothing', async () => {
  await shiqiao.context().setOffline(true);
  await click(teacher, 'call-yunling');
  await says(yunling, 'on_stage');
  await shiqiao.context().setOffline(false);
  await shows(shiqiao, 'stage-yunling');
  await says(shiqiao, 'listening');
  await click(teacher, 'put-down-yunling');
  await hides(shiqiao, 'stage-yunling');
});

test('after kill -9 the lesson goes on where it was, within 10 s, by itself', async () => {
  await click(teacher, 'call-yunling');
  await says(yunling, 'on_stage');
  await server.kill();
  await says(yunling, 'reconnecting');
  await server.launch();
  const started = Date.now();
  await Promise.all([says(yunling, 'on_stage'), says(shiqiao, 'listening'), online(teacher), online(watcher)]);
  assert.ok(Date.now() - started < 10000, `took ${Date.now() - started} ms`);
  await plays(shiqiao, 'lecture-main');
  await click(teacher, 'put-down-yunling');
  await says(yunling, 'listening');
});

test('devices that are refused, missing, busy or forbidden have their own words', async () => {
  for (const [kind, error, notice] of [
    ['video', 'NotAllowedError', 'notice-camera-refused'],
    ['audio', 'NotFoundError', 'notice-microphone-absent'],
    ['video', 'NotReadableError', 'notice-camera-busy'],
  ]) {
    const page = await pages.open('baishui', { init: refusing(kind, error) });
    await shows(page, notice);
    await says(page, 'listening');
    await click(page, 'notice-retry');
    await shows(page, notice);
    await click(page, 'notice-close');
    await hides(page, notice);
    await page.context().close();
  }
  const insecure = await pages.blank();
  await insecure.goto(pages.link('baishui').replace('127.0.0.1', 'school.test'));
  await shows(insecure, 'notice-both-insecure');
  await says(insecure, 'listening');
  await insecure.context().close();
});

test('links that open nothing say why and what to do', async () => {
  const page = await pages.blank();
  const site = ['--room', 'pages', '--identity', 'x', '--role', 'remote'];
  for (const [link, problem] of [
    ['/lesson/pages', 'bad_link'],
    ['/lesson/pages#token=half', 'bad_link'],
    [`/lesson/pages#token=${token('--lesson', 'pages', ...site)}x`, 'bad_link'],
    [`/lesson/pages#token=${expiredLessonToken('pages', 'x')}`, 'link_expired'],
    [`/lesson/none#token=${lessonToken('none', 'x', 'remote')}`, 'lesson_not_found'],
    ['/lesson/', 'unknown_page'],
  ]) {
    await page.goto('about:blank');
    await page.goto(server.http + link);
    await shows(page, `problem-${problem}`);
    await shows(page, 'home');
  }
  await click(page, 'home');
  await shows(page, 'start-page');
  await page.getByTestId('link-input').fill('http://somewhere/else');
  await click(page, 'link-open');
  await page.getByRole('alert').getByText('不是完整的课堂链接').waitFor();
  await page.context().close();
});

test('a server that does not answer is waited for', async () => {
  const page = await pages.blank();
  await page.route('**/api/v1/**', (route) => route.abort());
  await page.goto(pages.link('baishui'));
  await shows(page, 'problem-server_gone');
  await page.unroute('**/api/v1/**');
  await says(page, 'listening');
  await page.context().close();
});

test('nothing sticks out of a projector or a cheap phone', async () => {
  for (const viewport of [{ width: 1280, height: 720 }, { width: 360, height: 740 }])
    for (const page of [teacher, shiqiao]) {
      await page.setViewportSize(viewport);
      await sleep(200);
      const { width, height, outside } = await page.evaluate(() => ({
        width: document.documentElement.scrollWidth - innerWidth,
        height: document.documentElement.scrollHeight - innerHeight,
        outside: [...document.querySelectorAll('[data-testid=hand],[data-testid=state-line],[data-testid=end-lesson]')].filter((e) => {
          const box = e.getBoundingClientRect();
          return box.left < 0 || box.top < 0 || box.right > innerWidth || box.bottom > innerHeight;
        }).length,
      }));
      assert.deepEqual({ width, height, outside }, { width: 0, height: 0, outside: 0 }, JSON.stringify(viewport));
    }
});

test('the teacher ends the lesson, after a question', async () => {
  await teacher.setViewportSize({ width: 1280, height: 720 });
  await click(teacher, 'end-lesson');
  await click(teacher, 'end-no');
  await hides(teacher, 'end-no');
  await click(teacher, 'end-lesson');
  await click(teacher, 'end-yes');
  await Promise.all([teacher, shiqiao, yunling, watcher].map((page) => shows(page, 'problem-lesson_over')));
  await yunling.reload();
  await shows(yunling, 'problem-lesson_over');
});
