import { setImmediate as nextTurn } from 'node:timers/promises';

/** How long one step of work on all entries may hold the event loop. */
const STEP_MS = 4;

/** Gives a function to be called often during long work: it lets others run whenever a step has taken its time. */
export function createStepper(now: () => number = () => performance.now()): () => Promise<void> {
  let since = now();
  return async () => {
    if (now() - since < STEP_MS) return;
    await nextTurn();
    since = now();
  };
}
