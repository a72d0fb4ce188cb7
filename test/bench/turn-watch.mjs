// Loaded into a measured program with `--import=…/turn-watch.mjs?to=FILE`: writes down every long turn of its event loop.
import { appendFileSync, readFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

const LOOK_EVERY_MS = 2;
const LONG_MS = 8;
const file = new URL(import.meta.url).searchParams.get('to');
// What Linux says of the main thread: nanoseconds on a processor, and nanoseconds of waiting for one.
const SCHEDULE = `/proc/self/task/${process.pid}/schedstat`;

function look() {
  const [ran = 0, waited = 0] = readFileSync(SCHEDULE, 'latin1').split(' ').map(Number);
  return { at: performance.now(), ran, waited };
}

if (isMainThread && file !== null) {
  let before = look();
  setInterval(() => {
    const now = look();
    const ms = now.at - before.at;
    if (ms >= LONG_MS) {
      const turn = {
        at: Date.now(),
        ms,
        ranMs: (now.ran - before.ran) / 1e6,
        waitedMs: (now.waited - before.waited) / 1e6,
      };
      appendFileSync(file, `${JSON.stringify(turn)}\n`);
    }
    before = now;
  }, LOOK_EVERY_MS).unref();
}
