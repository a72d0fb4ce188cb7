import { ProxyError } from '../errors.js';
import { type BufferPool, createBufferPool } from './buffer-pool.js';
import { createBusyMeter } from './busy-meter.js';
import type { CacheStore, FactStore, Index, StoreEvents } from './contract.js';
import { type DataFolder, openDataFolder } from './data-folder.js';
import { type DiskStore, openDiskStore } from './disk-store.js';
import { createFactStore } from './fact-store.js';
import { compactFacts, createFactsLog, type FactsLog, factsLogPath, replayFacts } from './facts-log.js';
import { createFaultBoard, type FaultBoard } from './fault-board.js';
import { type FileSystem, storeFault } from './file-system.js';
import { openKeyvIndex } from './keyv-index.js';
import { type Scrub, type ScrubProgress, startScrub } from './scrub.js';
import { createVerify, type Verify } from './verify.js';

/** Facts that go into the index in one batch. */
const REPLAY_STEP = 5_000;

export interface CacheOptions {
  readonly directory: string;
  readonly events: StoreEvents;
  /** Shared with whatever else lends memory to bodies. */
  readonly pool?: BufferPool;
  /** Memory for small contents; none by default. */
  readonly hotBytes?: number;
  readonly files?: FileSystem;
  /** How long the scrubber takes for a round over all content; it does not run where this is left out. */
  readonly scrubRoundMs?: number | undefined;
}

/** Everything that one data folder holds. */
export interface Cache {
  readonly store: CacheStore;
  readonly facts: FactStore;
  /** Settles when an index that had to be rebuilt is whole again, or the cache was closed; at once where none had to be. */
  readonly rebuilt: Promise<void>;
  readonly verify: Verify;
  /** What the scrubber has done; undefined where it does not run. */
  readonly scrub: ScrubProgress | undefined;
  /** Closes all parts and marks the folder as cleanly left. */
  close(): Promise<void>;
}

/**
 * Opens a data folder with its store, index and facts. Rejects with a `store` fault of one sentence where the folder is
 * in use, of a newer format, or not writable; anything else that is broken is rebuilt or done without, and reported.
 */
export async function openCache(options: CacheOptions): Promise<Cache> {
  const { directory, events } = options;
  const folder = await openDataFolder(directory);
  const faults = createFaultBoard(events);
  const pool = options.pool ?? createBufferPool();
  try {
    const index = await openKeyvIndex(directory, faults, folder.afterCrash);
    // Before anything new is set, which the log's older facts would then replace.
    const restoredFacts = await restoreFacts(directory, index, faults, events);
    const log = createFactsLog(factsLogPath(directory));
    const facts = createFactStore(log, index, faults);
    const store = await openDiskStore({ ...options, pool, folder, index, faults });
    const rebuilt = index.needsRebuild ? rebuild(store, index, events, restoredFacts) : Promise.resolve();
    const scrub = options.scrubRoundMs === undefined ? undefined : beginScrub(store, options.scrubRoundMs);
    let closing: Promise<void> | undefined;
    const close = (): Promise<void> => {
      closing ??= closeAll(folder, store, index, log, rebuilt, scrub);
      return closing;
    };
    return {
      store,
      facts,
      rebuilt,
      verify: createVerify(directory, store.check),
      get scrub() {
        return scrub?.progress;
      },
      close,
    };
  } catch (error) {
    await folder.release();
    throw storeFault(`open the cache in ${directory}`, error);
  }

  function beginScrub(store: DiskStore, roundMs: number): Scrub {
    const isBusy = createBusyMeter(pool);
    return startScrub({ directory, check: store.check, roundMs, storedBytes: () => store.usage.bytes, isBusy });
  }
}

/** Compacts the log, and where the index is new, gives it all facts of the log. Gives their number. */
async function restoreFacts(directory: string, index: Index, faults: FaultBoard, events: StoreEvents): Promise<number> {
  const file = factsLogPath(directory);
  try {
    await compactFacts(file);
    if (!index.needsRebuild) return 0;
    const { facts, badLines } = await replayFacts(file);
    if (badLines > 0) events.fault(new ProxyError('store', `${badLines} damaged lines of facts.log were left out`));
    for (let at = 0; at < facts.length; at += REPLAY_STEP) {
      const step = facts.slice(at, at + REPLAY_STEP);
      await Promise.all(step.map(({ kind, key, value }) => index.set(kind, key, value)));
    }
    return facts.length;
  } catch (error) {
    faults.report('facts', storeFault('read facts.log', error));
    return 0;
  }
}

async function rebuild(store: DiskStore, index: Index, events: StoreEvents, facts: number): Promise<void> {
  const whole = await store.rebuild();
  if (!whole) return;
  await index.markRebuilt();
  // The index of a new folder is missing, too.
  if (store.usage.entries === 0 && facts === 0) return;
  events.rebuilt(store.usage.entries, facts);
}

async function closeAll(
  folder: DataFolder,
  store: DiskStore,
  index: Index,
  log: FactsLog,
  rebuilt: Promise<void>,
  scrub: Scrub | undefined,
): Promise<void> {
  await scrub?.close();
  await store.close();
  await rebuilt;
  await log.close();
  await index.close();
  await folder.release();
}
