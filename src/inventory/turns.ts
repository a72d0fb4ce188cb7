import { setImmediate as nextTurn } from 'node:timers/promises';

/** Steps that may be answered from memory before others get their turn. */
const STEPS = 128;

/** Lets others have their turn now and then, and ends long work where its signal says so. */
export function createTurns(signal: AbortSignal | undefined): () => Promise<void> {
  let steps = 0;
  return async () => {
    signal?.throwIfAborted();
    steps += 1;
    if (steps % STEPS === 0) await nextTurn();
  };
}
