import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { StoreEvents } from '../../src/cache/contract.js';
import { type Cache, type CacheOptions, openCache } from '../../src/cache/open-cache.js';

/** A data folder for one test, and what the store told of. */
export interface CacheFolder {
  readonly directory: string;
  readonly faults: string[];
  readonly quarantined: string[];
  /** The entries and facts of every rebuild that was told of. */
  readonly rebuilds: (readonly [entries: number, facts: number])[];
  readonly events: StoreEvents;
  open(options?: Partial<CacheOptions>): Promise<Cache>;
  /** Closes what is open and removes the folder. */
  dispose(): Promise<void>;
}

export async function createCacheFolder(): Promise<CacheFolder> {
  const directory = await fs.mkdtemp(path.join(os.tmpdir(), 'entrepot-cache-'));
  const opened: Cache[] = [];
  const faults: string[] = [];
  const quarantined: string[] = [];
  const rebuilds: [number, number][] = [];
  const events: StoreEvents = {
    fault: (fault) => faults.push(fault.message),
    quarantined: (digest, reason) => quarantined.push(`${digest} ${reason}`),
    rebuilt: (entries, facts) => rebuilds.push([entries, facts]),
  };
  return {
    directory,
    faults,
    quarantined,
    rebuilds,
    events,
    async open(options) {
      const cache = await openCache({ directory, events, ...options });
      opened.push(cache);
      return cache;
    },
    async dispose() {
      for (const cache of opened) await cache.close();
      await fs.rm(directory, { recursive: true, force: true });
    },
  };
}
