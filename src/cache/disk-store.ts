import { performance } from 'node:perf_hooks';
import type { Digest } from '../oci/digest.js';
import type { ImagePattern } from '../oci/image-pattern.js';
import type { Space } from './budget.js';
import { type BufferPool, createBufferPool } from './buffer-pool.js';
import { type ContentCheck, createContentCheck } from './content-check.js';
import { createContentFiles, type OnDamage } from './content-files.js';
import { createContentRemoval } from './content-removal.js';
import type { CacheStore, Entry, FactStore, Index, Inventory, StoreEvents, Totals } from './contract.js';
import type { DataFolder } from './data-folder.js';
import { Entries } from './entries.js';
import { createInventory } from './entry-listing.js';
import { beginLoading } from './entry-loading.js';
import type { FaultBoard } from './fault-board.js';
import { type FileSystem, nodeFileSystem, storeFault } from './file-system.js';
import { createHotContent } from './hot-content.js';
import { keptLimitBytes } from './kept-limit.js';
import { KeptSpools } from './kept-spools.js';
import { createKeyedQueue } from './keyed-queue.js';
import { createOpenReaders } from './open-readers.js';
import { createPins, type PinBoard } from './pins.js';
import { walkContent } from './rebuild.js';
import { createSteadyClock } from './steady-clock.js';
import { createStoreRoom, type RoomOptions } from './store-room.js';
import { createSpools } from './store-spools.js';
import { createStoredContent } from './stored-content.js';

/** How often uses are written into the index, and what is too old or too much is looked for. */
const TEND_EVERY_MS = 60_000;

export interface DiskStoreOptions {
  readonly folder: DataFolder;
  readonly index: Index;
  readonly faults: FaultBoard;
  readonly events: StoreEvents;
  readonly facts: FactStore;
  /** What the store may take; without it nothing is evicted. */
  readonly room?: RoomOptions | undefined;
  /** Images that are pinned by the configuration. */
  readonly pinPatterns?: readonly ImagePattern[];
  readonly pool?: BufferPool;
  /** Memory for small contents; none by default. */
  readonly hotBytes?: number;
  readonly files?: FileSystem;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
}

export interface DiskStore extends CacheStore {
  /** Gives every content file its row. The store serves meanwhile. True where the walk was not stopped by `close`. */
  rebuild(onShare?: (share: number) => void): Promise<boolean>;
  readonly inventory: Inventory;
  /** What waits in the spool folder for the next download of the same content; part of what the data folder takes. */
  readonly kept: Totals;
  readonly pins: PinBoard;
  /** How much room there is; undefined until it was measured. */
  readonly space: Space | undefined;
  /** How much room there is now; undefined where the store has no limit. */
  measure(): Promise<Space | undefined>;
  /** Writes uses into the index and evicts what is due. It happens every minute by itself. */
  tend(): Promise<void>;
  /** Hashes a whole file; a damaged one is quarantined, and a good one that no row tells of gets its row. */
  readonly check: ContentCheck;
}

/** Opens the store of a folder that is held. Neither the folder nor the index is closed with it. */
export async function openDiskStore(options: DiskStoreOptions): Promise<DiskStore> {
  const { folder, index, faults, events } = options;
  const files = options.files ?? nodeFileSystem;
  const { directory } = folder;
  const storeNow = createSteadyClock();
  const entries = new Entries(index, storeNow);
  const reading = createOpenReaders();
  const turns = createKeyedQueue();
  const hot = options.hotBytes === undefined ? undefined : createHotContent(options.hotBytes);
  let closed = false;
  const removal = createContentRemoval({ directory, files, entries, turns, hot, contents: () => contents, events });
  const pins = createPins({
    facts: options.facts,
    source: { find: (digest) => entries.find(digest), readAll: (...asked) => stored.readAll(...asked) },
    patterns: options.pinPatterns ?? [],
    onRead: (pinned) => entries.setPinned(pinned),
  });
  const room = createStoreRoom({
    room: options.room,
    directory,
    files,
    entries,
    index,
    pins,
    now: storeNow,
    remove: evict,
    events,
  });
  const limitBytes = async (): Promise<number> => keptLimitBytes(await room.measure());
  const kept = new KeptSpools({ directory, files, limitBytes });
  await kept.load();
  const { createSpool, takeKept } = createSpools({
    folder,
    files,
    entries,
    turns,
    faults,
    room,
    kept,
    now: storeNow,
    onCommitted,
  });
  const onDamage: OnDamage = (digest, ino, reason) => removal.quarantine(digest, ino, reason);
  const contents = createContentFiles({
    files,
    folder,
    pool: options.pool ?? createBufferPool(),
    now: options.now ?? (() => performance.now()),
    onDamage,
  });
  const stored = createStoredContent({ directory, files, entries, turns, hot, reading, contents, removal, faults });
  const { lookup, readAll } = stored;
  const checkFile = createContentCheck({
    files,
    folder,
    onDamage,
    inTurn: (digest, task) => turns.run(digest, task),
    describe: (digest) => entries.find(digest),
  });
  await entries.takeTotals();
  const stopping = new AbortController();
  const { loading } = await beginLoading(entries, stopping.signal);

  function onCommitted({ mediaType }: Entry): void {
    if (mediaType !== undefined) pins.noteManifest();
  }

  async function put(digest: Digest, bytes: Uint8Array, mediaType: string | undefined): Promise<Entry> {
    const spool = await createSpool(bytes.byteLength, digest);
    try {
      await spool.append(bytes);
      return await spool.commit(digest, mediaType);
    } finally {
      await spool.close();
    }
  }

  /** What is being read stays, and what was pinned or went meanwhile. */
  function mayGo(digest: Digest): boolean {
    return !reading.has(digest) && entries.describe(digest)?.pinned === false;
  }

  function evict(digest: Digest): Promise<boolean> {
    return told(removal.evict(digest, () => mayGo(digest)));
  }

  async function told<T>(removing: Promise<T>): Promise<T> {
    try {
      return await removing;
    } catch (error) {
      const fault = storeFault('remove content', error);
      faults.report('writing', fault);
      throw fault;
    }
  }

  async function tend(): Promise<void> {
    await entries.saveUses();
    await kept.expire();
    await room.sweep();
  }

  const tending = setInterval(() => void tend(), TEND_EVERY_MS);
  tending.unref();

  return {
    lookup,
    open: (digest) => stored.openForUse(digest),
    readAll,
    createSpool,
    takeKept,
    get kept() {
      return kept.usage;
    },
    put,
    remove: (digest) => told(removal.remove(digest)),
    get usage() {
      return entries.usage;
    },
    get fault() {
      return faults.current;
    },
    pins,
    inventory: createInventory({ entries, index, loaded: loading, refreshPins: () => pins.refresh() }),
    get space() {
      return room.space;
    },
    measure: () => room.measure(),
    tend,
    rebuild: (onShare) =>
      walkContent(
        directory,
        (digest) => stored.giveRow(digest),
        () => closed,
        onShare,
      ),
    async check(digest, pace) {
      const checked = await checkFile(digest, pace);
      if (checked.verdict === 'good' && (await entries.find(digest)) === undefined) await lookup(digest);
      return checked;
    },
    async close() {
      closed = true;
      stopping.abort();
      clearInterval(tending);
      await room.close();
      await loading;
      await turns.idle();
      await entries.saveUses();
      if (!index.needsRebuild && entries.isCounted) await index.keepTotals(entries.usage);
    },
  };
}
