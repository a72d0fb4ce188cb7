import { type Deferred, deferred } from './deferred.js';

/** More keys at once would make one read long. */
const MOST_AT_ONCE = 250;

/**
 * Reads keys one batch at a time: what is asked for while a batch is under way goes together into the next. Each key's
 * promise rejects with what its batch rejected with. `readMany` gives the values of the keys that are there.
 */
export function createGatheredReads(
  readMany: (keys: readonly string[]) => Promise<ReadonlyMap<string, unknown>>,
): (key: string) => Promise<unknown> {
  const waiting = new Map<string, Deferred<unknown>>();
  let isRunning = false;

  async function run(): Promise<void> {
    isRunning = true;
    // Whoever asks for many asks for them in one turn.
    await Promise.resolve();
    while (waiting.size > 0) {
      const batch = take();
      try {
        const values = await readMany([...batch.keys()]);
        for (const [key, asked] of batch) asked.resolve(values.get(key));
      } catch (error) {
        for (const asked of batch.values()) asked.reject(error);
      }
    }
    isRunning = false;
  }

  function take(): ReadonlyMap<string, Deferred<unknown>> {
    const batch = new Map<string, Deferred<unknown>>();
    for (const [key, asked] of waiting) {
      if (batch.size === MOST_AT_ONCE) break;
      batch.set(key, asked);
      waiting.delete(key);
    }
    return batch;
  }

  return (key) => {
    const before = waiting.get(key);
    if (before !== undefined) return before.promise;
    const asked = deferred<unknown>();
    waiting.set(key, asked);
    if (!isRunning) void run();
    return asked.promise;
  };
}
