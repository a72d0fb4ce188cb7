import { createBoundedMap } from './bounded-map.js';
import type { FactKind, FactStore, Index } from './contract.js';
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
 * `onWrite` hears of each before.
 */
export function createFactStore(
  log: Pick<FactsLog, 'append'>,
  index: Index,
  faults: FaultBoard,
  onWrite: (kind: FactKind, key: string) => void = () => {},
): FactStore {
  const hot = createBoundedMap<string, Hot>(HOT_FACTS);

  async function write(kind: FactKind, key: string, value: unknown): Promise<void> {
    hot.set(`${kind}:${key}`, { value });
    onWrite(kind, key);
    try {
      // Both are called before the first await, so that log and index see the writes in the same order.
      await Promise.all([log.append({ kind, key, value }), index.set(kind, key, value)]);
      faults.clear('facts');
    } catch (error) {
      faults.report('facts', storeFault('write to facts.log', error));
    }
  }

  return {
    async get<T>(kind: FactKind, key: string): Promise<T | undefined> {
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
