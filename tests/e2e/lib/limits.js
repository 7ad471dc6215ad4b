// node's test runner with an end to everything: what hangs fails under its own name and does not hold up the whole run.
import { spawn } from 'node:child_process';
import * as runner from 'node:test';

const TEST_MS = 240000; // the longest takes about 90 s on a slow machine
const HOOK_MS = 60000;
const EXIT_MS = 20000; // for a file to end by itself after its last test

export const test = (name, body) => runner.test(name, { timeout: TEST_MS }, body);
export const before = (body) => runner.before(body, { timeout: HOOK_MS });
export const afterEach = (body) => runner.afterEach(body, { timeout: HOOK_MS });

/** Once in each file: what is to be stopped after the last test. */
export function after(body) {
  runner.after(async () => {
    // Does not keep the file alive: it only fires when something else does.
    setTimeout(() => {
      console.error(`still open after the last test: ${process.getActiveResourcesInfo().join(' ')}`);
      process.exit(1);
    }, HOOK_MS + EXIT_MS).unref();
    await body();
  }, { timeout: HOOK_MS });
}

const children = new Set();
process.on('exit', () => children.forEach((child) => child.kill('SIGKILL')));

/** As spawn(), and the process never outlives the test file. `child.exited` gives its code and signal. */
export function start(command, args, options) {
  const child = spawn(command, args, options);
  children.add(child);
  child.exited = new Promise((resolve) =>
    child.once('exit', (code, signal) => {
      children.delete(child);
      resolve({ code, signal });
    }));
  return child;
}

/** Ends a process with `signal`; fails, and kills it, when it takes longer than `ms`. Its code and signal. */
export async function stop(child, signal = 'SIGINT', ms = 20000) {
  child.kill(signal);
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`${child.spawnargs.slice(0, 2).join(' ')} did not end within ${ms} ms of ${signal}`));
    }, ms);
  });
  try {
    return await Promise.race([child.exited, late]);
  } finally {
    clearTimeout(timer);
  }
}
