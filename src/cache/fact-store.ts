import { createBoundedMap } from './bounded-map.js';
import type { FactStore, Index } from './contract.js';
import type { FactsLog } from './facts-log.js';
import type { FaultBoard } from './fault-board.js';
import { storeFault } from './file-system.js';

const HOT_FACTS = 100_000;

interface Hot {
  readonly value: unknown;
}

/**
 * Facts in memory, in the index, and in the log that outlives the index. `set` and `delete` resolve when the log has
 * the line and the index the row. Neither rejects: what could not be written is remembered until it falls out of memory.
 */
export function createFactStore(log: FactsLog, index: Index, faults: FaultBoard): FactStore {
  const hot = createBoundedMap<string, Hot>(HOT_FACTS);

  async function write(kind: Parameters<FactStore['set']>[0], key: string, value: unknown): Promise<void> {
    hot.set(`${kind}:${key}`, { value });
    try {
      // Both are called before the first await, so that log and index see the writes in the same order.
      await Promise.all([log.append({ kind, key, value }), index.set(kind, key, value)]);
      faults.clear('facts');
    } catch (error) {
      faults.report('facts', storeFault('write to facts.log', error));
    }
  }

  return {
    async get<T>(kind: Parameters<FactStore['get']>[0], key: string): Promise<T | undefined> {
      const name = `${kind}:${key}`;
      const known = hot.get(name);
      if (known !== undefined) return known.value as T | undefined;
      const value = await index.get<T>(kind, key);
      // A set that came while the index was read is the newer one.
      const newer = hot.get(name);
      if (newer !== undefined) return newer.value as T | undefined;
      if (value !== undefined) hot.set(name, { value });
      return value;
    },
    set: write,
    delete: (kind, key) => write(kind, key, undefined),
    page: (kind, query) => index.page(kind, query),
  };
}
