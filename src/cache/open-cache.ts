import { setTimeout as delay } from 'node:timers/promises';
import type { ImagePattern } from '../oci/image-pattern.js';
import type { Space } from './budget.js';
import { type BufferPool, createBufferPool } from './buffer-pool.js';
import type { CacheStore, FactStore, Inventory, Pins, StoreEvents, Totals } from './contract.js';
import { openDataFolder } from './data-folder.js';
import { openDiskStore } from './disk-store.js';
import { createFactStore } from './fact-store.js';
import { createFactsLog, factsLogPath } from './facts-log.js';
import { createFaultBoard } from './fault-board.js';
import { type FileSystem, nodeFileSystem, storeFault } from './file-system.js';
import { type AdoptContent, createIndexRebuild } from './index-rebuild.js';
import { beginKeyvIndex, indexFile, openKeyvIndex } from './keyv-index.js';
import type { PinBoard } from './pins.js';
import { quarantineTotals } from './quarantine.js';
import type { ScrubProgress } from './scrub.js';
import { openStandingIndex } from './standing-index.js';
import type { RoomOptions } from './store-room.js';
import { type StoreTally, tallyEvents } from './store-tally.js';
import { startUpkeep } from './upkeep.js';
import { createVerify, type Verify } from './verify.js';

/** What a start waits for facts to come back into an index that was lost; more of them come while it serves. */
const FACTS_WAIT_MS = 300;

export interface CacheOptions {
  readonly directory: string;
  readonly events: StoreEvents;
  /** Shared with whatever else lends memory to bodies. */
  readonly pool?: BufferPool;
  /** Memory for small contents; none by default. */
  readonly hotBytes?: number;
  readonly files?: FileSystem;
  /** What the store may take; without it nothing is evicted. */
  readonly room?: RoomOptions | undefined;
  /** Images that are pinned by the configuration. */
  readonly pinPatterns?: readonly ImagePattern[];
  /** How long the scrubber takes for a round over all content; it does not run where this is left out. */
  readonly scrubRoundMs?: number | undefined;
  /** How often the folder is looked at for what others took away; two seconds by default. */
  readonly lookEveryMs?: number;
}

/** Everything that one data folder holds. */
export interface Cache {
  readonly store: CacheStore;
  readonly facts: FactStore;
  /** Listings of what is held. */
  readonly inventory: Inventory;
  readonly pins: Pins;
  /** How much room the store has; undefined until it was measured. */
  readonly space: Space | undefined;
  /** How much room there is now; undefined where the store has no limit. */
  measure(): Promise<Space | undefined>;
  /** What has happened since the store was opened. */
  readonly tally: StoreTally;
  /** What was put aside because it was damaged. */
  quarantine(): Promise<Totals>;
  /** Beginnings of downloads that broke off, which wait for the next request. */
  readonly kept: Totals;
  /** Writes uses down and evicts what is due. It happens every minute by itself. */
  tend(): Promise<void>;
  /** Settles when an index that has to be rebuilt is whole again, or the cache was closed; at once where none has to be. */
  readonly rebuilt: Promise<unknown>;
  readonly verify: Verify;
  /** What the scrubber has done; undefined where it does not run. */
  readonly scrub: ScrubProgress | undefined;
  /** How much of a rebuild of the index is done, from 0 to 1; undefined where none is under way. */
  readonly rebuildShare: number | undefined;
  /** Closes all parts and marks the folder as cleanly left. */
  close(): Promise<void>;
}

/**
 * Opens a data folder with its store, index and facts. Rejects with a `store` fault of one sentence where the folder is
 * in use, of a newer format, or not writable; anything else that is broken is rebuilt or done without, and reported.
 */
export async function openCache(options: CacheOptions): Promise<Cache> {
  const { directory } = options;
  const { events, tally } = tallyEvents(options.events);
  const folder = await openDataFolder(directory);
  const faults = createFaultBoard(events);
  const pool = options.pool ?? createBufferPool();
  try {
    const index = await openStandingIndex({
      file: indexFile(directory),
      faults,
      open: (board, hooks, anew) =>
        anew ? beginKeyvIndex(directory, board, hooks) : openKeyvIndex(directory, board, folder.afterCrash, hooks),
      onReplaced: () => refill(),
      ...(options.lookEveryMs !== undefined && { lookEveryMs: options.lookEveryMs }),
    });
    const factsFile = factsLogPath(directory);
    const log = createFactsLog(factsFile, {
      fault: (error) => faults.report('facts', storeFault('keep facts.log', error)),
      well: () => faults.clear('facts'),
    });
    const rebuild = createIndexRebuild({ factsFile, log, index, faults, events });
    let pins: PinBoard | undefined;
    const facts = createFactStore(log, index, faults, (kind, key) => {
      rebuild.noteWrite(kind, key);
      pins?.noteFact(kind, key);
    });
    const opening = openDiskStore({ ...options, events, pool, folder, index, faults, facts });
    if (folder.afterCrash) await rebuild.catchUp();
    let rebuilt: Promise<unknown> = Promise.resolve();
    function refill(onFacts?: () => void): void {
      const adopt: AdoptContent = async (onShare) => {
        const store = await opening;
        return (await store.rebuild(onShare)) ? store.usage.entries : undefined;
      };
      const filled = rebuild.fill(adopt, onFacts).then(() => pins?.noteFact('pin', ''));
      rebuilt = Promise.all([rebuilt, filled]);
    }
    const factsThere = index.needsRebuild ? new Promise<void>((resolve) => refill(resolve)) : Promise.resolve();
    const store = await opening;
    pins = store.pins;
    await Promise.race([factsThere, delay(FACTS_WAIT_MS, undefined, { ref: false })]);
    const upkeep = startUpkeep({
      directory,
      files: options.files ?? nodeFileSystem,
      faults,
      store,
      facts,
      pool,
      scrubRoundMs: options.scrubRoundMs,
      lookEveryMs: options.lookEveryMs,
    });
    let closing: Promise<void> | undefined;
    const close = (): Promise<void> => {
      closing ??= closeAll();
      return closing;
    };
    return {
      store,
      facts,
      inventory: store.inventory,
      pins: store.pins,
      get space() {
        return store.space;
      },
      measure: () => store.measure(),
      tally,
      quarantine: () => quarantineTotals(directory),
      get kept() {
        return store.kept;
      },
      tend: () => store.tend(),
      get rebuilt() {
        return rebuilt;
      },
      verify: createVerify(directory, store.check),
      get scrub() {
        return upkeep.scrub;
      },
      get rebuildShare() {
        return rebuild.share;
      },
      close,
    };

    async function closeAll(): Promise<void> {
      await upkeep.close();
      rebuild.stop();
      await store.close();
      await rebuilt;
      await log.close();
      await index.close();
      await folder.release();
    }
  } catch (error) {
    await folder.release();
    throw storeFault(`open the cache in ${directory}`, error);
  }
}
