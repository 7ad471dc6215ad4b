// Takes the pictures of every page that the README shows: node screenshots.js [FOLDER]; the server and the pages must be built.
import { mkdirSync } from 'node:fs';
import path from 'node:path';

import { launchBrowser } from './lib/browser.js';
import { LessonPages, click, fakeScreen, plays, refusing, says, shows } from './lib/lesson-pages.js';
import { Server, expiredLessonToken, root, sleep } from './lib/server.js';

const folder = process.argv[2] ?? path.join(root, 'docs/screenshots');
const PHONE = { width: 360, height: 740 };

mkdirSync(folder, { recursive: true });
const server = await Server.start();
await server.createLesson('pages', '三年级音乐\uff1a茉莉花');
const browser = await launchBrowser('--host-resolver-rules=MAP school.test 127.0.0.1');
const pages = new LessonPages(server, browser, 'pages');

async function shoot(page, name) {
  await sleep(1500);
  await page.screenshot({ path: path.join(folder, `${name}.png`) });
}

const teacher = await pages.open('center', { init: fakeScreen });
const shiqiao = await pages.open('shiqiao');
const yunling = await pages.open('yunling', { viewport: PHONE });
const baishui = await pages.open('baishui');
const watcher = await pages.open('watcher');
for (const page of [shiqiao, yunling, baishui]) await says(page, 'listening');

await click(baishui, 'hand');
await click(yunling, 'hand');
await click(teacher, 'call-shiqiao');
await says(shiqiao, 'on_stage');
await Promise.all(['tile-shiqiao', 'tile-yunling', 'tile-baishui', 'stage-shiqiao'].map((id) => plays(teacher, id)));
await shoot(teacher, 'teacher');
await shoot(yunling, 'classroom-phone');
await click(teacher, 'share-screen');
for (const viewer of [shiqiao, watcher]) {
  await viewer.locator('[data-testid=lecture-main][data-kind=screen]').waitFor();
  await plays(viewer, 'lecture-main');
  await plays(viewer, 'enlarge-camera');
}
await shoot(shiqiao, 'classroom');
await shoot(watcher, 'observer');
await teacher.setViewportSize(PHONE);
await shoot(teacher, 'teacher-phone');

const page = await pages.blank();
for (const [address, name] of [
  ['/', 'start'],
  ['/lesson/pages#token=half', 'bad-link'],
  [`/lesson/pages#token=${expiredLessonToken('pages', 'x')}`, 'link-expired'],
]) {
  await page.goto('about:blank');
  await page.goto(server.http + address);
  await shoot(page, name);
}
await page.route('**/api/v1/**', (route) => route.abort());
await page.goto(pages.link('baishui'));
await shows(page, 'problem-server_gone');
await shoot(page, 'server-gone');
await page.context().close();

for (const [kind, error, name] of [
  ['video', 'NotAllowedError', 'camera-refused'],
  ['audio', 'NotFoundError', 'no-microphone'],
]) {
  const refused = await pages.open('baishui', { init: refusing(kind, error) });
  await says(refused, 'listening').catch(() => says(refused, 'hand_up'));
  await shoot(refused, name);
  await refused.context().close();
}
const insecure = await pages.blank();
await insecure.goto(pages.link('baishui').replace('127.0.0.1', 'school.test'));
await shows(insecure, 'notice-both-insecure');
await shoot(insecure, 'insecure-address');
await shoot(baishui, 'opened-elsewhere');

await server.kill();
await says(shiqiao, 'reconnecting');
await shoot(shiqiao, 'reconnecting');
await server.launch();
await teacher.setViewportSize({ width: 1280, height: 720 });
await click(teacher, 'end-lesson');
await click(teacher, 'end-yes');
await shows(shiqiao, 'problem-lesson_over');
await shoot(shiqiao, 'lesson-over');

await pages.closeAll();
await browser.close();
await server.stop();
