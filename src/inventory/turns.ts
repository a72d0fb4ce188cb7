import { createStepper } from '../cache/stepper.js';

/** Lets others have their turn now and then, and ends long work where its signal says so. */
export function createTurns(signal: AbortSignal | undefined, now?: () => number): () => Promise<void> {
  const step = createStepper(now);
  return async () => {
    signal?.throwIfAborted();
    await step();
  };
}
