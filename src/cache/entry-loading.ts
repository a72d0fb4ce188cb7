import { setTimeout as delay } from 'node:timers/promises';
import type { Entries } from './entries.js';

/** What a start waits for the rows of a small store to be read. */
const SMALL_WAIT_MS = 200;
/** How long most rows of a large one wait, so that the start has the processor for itself. */
const LARGE_PAUSE_MS = 2000;

/**
 * Begins to read the rows of all entries. Comes back when they are read, or turn out to be many, which then are read
 * while the store is used; `loading` settles when that has ended. `stopping` ends it early.
 */
export async function beginLoading(
  entries: Pick<Entries, 'load'>,
  stopping: AbortSignal,
): Promise<{ readonly loading: Promise<void> }> {
  let loading: Promise<void> = Promise.resolve();
  const isLarge = new Promise<void>((resolve) => {
    loading = entries.load(
      () => stopping.aborted,
      () => {
        resolve();
        return delay(LARGE_PAUSE_MS, undefined, { ref: false, signal: stopping }).catch(() => {});
      },
    );
  });
  await Promise.race([loading, isLarge, delay(SMALL_WAIT_MS, undefined, { ref: false })]);
  return { loading };
}
