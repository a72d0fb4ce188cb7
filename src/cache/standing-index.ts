import { createReadStream } from 'node:fs';
import fs from 'node:fs/promises';
import type { Index, RowKind } from './contract.js';
import type { FaultBoard } from './fault-board.js';
import { errorCode } from './file-system.js';
import type { IndexHooks } from './keyv-index.js';

/** Writes that are owed to an index which cannot be written; beyond, it is begun anew. */
const OWED_WRITES = 50_000;
/** Writes that are made up for at once: each has a promise and a text. */
const PAID_AT_ONCE = 500;
const LOOK_EVERY_MS = 2_000;
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 60_000;
const MAGIC = 'SQLite format 3\0';
const PAGE_BYTES = 512;
const MOST_MOVES = 3;
/** What SQLite says of a file that is none, or of one that is damaged. Anything else may pass. */
const BROKEN: ReadonlySet<string> = new Set(['SQLITE_CORRUPT', 'SQLITE_NOTADB', 'SQLITE_READONLY_DBMOVED']);

export interface StandingIndexOptions {
  readonly file: string;
  readonly faults: FaultBoard;
  /** Opens the index; with `anew`, what stands in its place is moved aside first. */
  readonly open: (faults: FaultBoard, hooks: IndexHooks, anew: boolean) => Promise<Index>;
  /** The index was begun anew while others use it, and is to be filled. */
  readonly onReplaced: () => void;
  readonly lookEveryMs?: number;
}

/**
 * An index that gets over its faults without a restart. Writes that failed are owed, count for reads, and are tried
 * again. A file that is damaged, deleted or replaced is moved aside and a new one begun; until that is filled, its rows
 * count as not there.
 */
export async function openStandingIndex(options: StandingIndexOptions): Promise<Index> {
  const { file, open, onReplaced } = options;
  const owed = new Map<string, unknown>();
  let inner: Index | undefined;
  let ino: number | undefined;
  let sizeBytes = 0;
  let moves = 0;
  let isDistrusted = false;
  let isInMemory = false;
  let isClosed = false;
  let waitMs = FIRST_WAIT_MS;
  let retryTimer: NodeJS.Timeout | undefined;
  let mending: Promise<void> | undefined;

  const faults: FaultBoard = {
    get current() {
      return options.faults.current;
    },
    has: (part) => options.faults.has(part),
    report(part, fault) {
      options.faults.report(part, fault);
      if (BROKEN.has(errorCode(fault.cause) ?? '')) isDistrusted = true;
      retryLater();
    },
    clear(part) {
      // An index in memory works well, and is none for the next start.
      if (!isInMemory && !isDistrusted && owed.size === 0) options.faults.clear(part);
    },
  };
  const hooks: IndexHooks = {
    onLost(batch) {
      for (const [key, value] of batch) owed.set(key, value);
      if (owed.size > OWED_WRITES) isDistrusted = true;
    },
    onMemory: () => {
      isInMemory = true;
    },
  };

  function retryLater(): void {
    if (isClosed || inner === undefined) return;
    retryTimer ??= setTimeout(() => {
      retryTimer = undefined;
      waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS);
      void mendOnce();
    }, waitMs).unref();
  }

  function mendOnce(): Promise<void> {
    mending ??= mend().finally(() => {
      mending = undefined;
    });
    return mending;
  }

  async function mend(): Promise<void> {
    if (isClosed) return;
    if (isDistrusted || isInMemory || (await isGone())) await replace();
    else await payOwed();
    if (isDistrusted || isInMemory || owed.size > 0) retryLater();
    else waitMs = FIRST_WAIT_MS;
  }

  /**
   * A file that was deleted goes on working for us, and for nobody after us. One that was cut is found out by its size:
   * SQLite writes whole pages, and the index is never made smaller.
   */
  async function isGone(): Promise<boolean> {
    if (ino === undefined) return false;
    const standing = await fs
      .stat(file)
      .catch((error: unknown) => (errorCode(error) === 'ENOENT' ? undefined : 'unknown'));
    if (standing === 'unknown') return false;
    if (standing === undefined) return true;
    if (standing.ino !== ino) {
      moves += 1;
      // Some file systems number a file anew each time it is looked at; then its number says nothing.
      if (moves <= MOST_MOVES) return true;
      ino = standing.ino;
    }
    if (standing.size < sizeBytes || standing.size % PAGE_BYTES !== 0) return true;
    sizeBytes = standing.size;
    return !(await hasMagic(file));
  }

  async function replace(): Promise<void> {
    const old = inner;
    isDistrusted = true;
    await old?.close();
    isInMemory = false;
    // What was owed to the old one the log has, too; what comes while there is none is owed to the new one.
    owed.clear();
    const next = await open(faults, hooks, true);
    inner = next;
    await learnIno();
    isDistrusted = false;
    await payOwed();
    faults.clear('index');
    onReplaced();
  }

  async function payOwed(): Promise<void> {
    // Any row will do, to see whether it works again.
    if (owed.size === 0) await inner?.get('host', '');
    for (let left = owed.size; left > 0; left -= PAID_AT_ONCE) {
      const part = [...take(owed, PAID_AT_ONCE)];
      for (const [name] of part) owed.delete(name);
      await Promise.all(part.map(([name, value]) => pay(name, value)));
      // What is refused is owed again, and so would be the others.
      if (part.some(([name]) => owed.has(name))) return;
    }
  }

  async function pay(name: string, value: unknown): Promise<void> {
    const { kind, key } = splitName(name);
    await (value === undefined ? inner?.delete(kind, key) : inner?.set(kind, key, value));
  }

  async function learnIno(): Promise<void> {
    const standing = isInMemory ? undefined : await fs.stat(file).catch(() => undefined);
    ino = standing?.ino;
    sizeBytes = standing?.size ?? 0;
  }

  inner = await open(faults, hooks, false);
  // If it was broken, it has been begun anew.
  isDistrusted = false;
  await learnIno();
  if (isInMemory) retryLater();
  const look = setInterval(
    () => void isGone().then((gone) => (gone ? mendOnce() : undefined)),
    options.lookEveryMs ?? LOOK_EVERY_MS,
  );
  look.unref();
  const present = (): Index => inner as Index;

  async function write(kind: RowKind, key: string, value: unknown): Promise<void> {
    const name = `${kind}:${key}`;
    if (isDistrusted) {
      owed.set(name, value);
      return;
    }
    // What is still owed under this name is older.
    owed.delete(name);
    if (value === undefined) await present().delete(kind, key);
    else await present().set(kind, key, value);
  }

  return {
    get needsRebuild() {
      return isDistrusted || present().needsRebuild;
    },
    async get<T>(kind: RowKind, key: string) {
      const name = `${kind}:${key}`;
      if (owed.has(name)) return owed.get(name) as T | undefined;
      return isDistrusted ? undefined : present().get<T>(kind, key);
    },
    set: write,
    delete: (kind, key) => write(kind, key, undefined),
    page: async (kind, query) => (isDistrusted ? [] : present().page(kind, query)),
    takeTotals: () => present().takeTotals(),
    async keepTotals(totals) {
      if (!isDistrusted) await present().keepTotals(totals);
    },
    async markRebuilt() {
      if (!isDistrusted) await present().markRebuilt();
    },
    async close() {
      isClosed = true;
      clearInterval(look);
      clearTimeout(retryTimer);
      await mending;
      if (owed.size > 0 && !isDistrusted) await payOwed();
      const isLost = isDistrusted || owed.size > 0 || (await isGone());
      await present().close();
      // SQLite has written its last pages into whatever stands there now; the next start is to trust none of it.
      if (isLost) await fs.rm(file, { force: true, recursive: true }).catch(() => {});
    },
  };
}

function* take<T>(items: Iterable<T>, count: number): Generator<T> {
  let left = count;
  for (const item of items) {
    if (left === 0) return;
    left -= 1;
    yield item;
  }
}

function splitName(name: string): { readonly kind: RowKind; readonly key: string } {
  const colon = name.indexOf(':');
  return { kind: name.slice(0, colon) as RowKind, key: name.slice(colon + 1) };
}

async function hasMagic(file: string): Promise<boolean> {
  try {
    for await (const head of createReadStream(file, { end: MAGIC.length - 1 })) {
      return (head as Buffer).toString('latin1') === MAGIC;
    }
    return false;
  } catch {
    return true;
  }
}
