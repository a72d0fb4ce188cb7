import fs from 'node:fs/promises';
import path from 'node:path';
import type { Index, Row, RowKind, RowQuery, Totals } from './contract.js';
import type { FaultBoard } from './fault-board.js';
import { errorCode, storeFault } from './file-system.js';
import { createGatheredReads } from './gathered-reads.js';
import { applyBatch, type Database, MEMORY, openDatabase } from './keyv-database.js';
import { createWriteBehind, type WriteBehind } from './write-behind.js';

const FILE_NAME = 'index.v1.sqlite';
/** No entry or fact begins with this, because kinds have no such name. */
const REBUILT_KEY = 'meta:rebuilt';
const TOTALS_KEY = 'meta:totals';
/** A file that is read whole within a fraction of a second, from a slow disk too: some 100,000 entries. */
const CHECKED_AT_START_BYTES = 64 * 1024 * 1024;

/** What somebody who mends an index needs to hear of it. */
export interface IndexHooks {
  /** These writes were refused; the keys are `kind:key`, and undefined stands for a deletion. */
  onLost(batch: ReadonlyMap<string, unknown>): void;
  /** No file could be used, so the rows are kept in memory. */
  onMemory(): void;
}

const NO_HOOKS: IndexHooks = { onLost: () => {}, onMemory: () => {} };

/** The index of a data folder; the name carries the rows' format. */
export function indexFile(directory: string): string {
  return path.join(directory, FILE_NAME);
}

/**
 * Opens the index of a data folder. A file that cannot be used is moved aside and a new one begun; where not even that
 * works, the index lives in memory and the fault is reported. `checkWhole` reads the whole file for damage first, for
 * use after an unclean stop; damage in a large one, which would take too long, is found where it is met.
 */
export async function openKeyvIndex(
  directory: string,
  faults: FaultBoard,
  checkWhole: boolean,
  hooks: IndexHooks = NO_HOOKS,
): Promise<Index> {
  const file = indexFile(directory);
  try {
    const isChecked = checkWhole && (await isSmall(file));
    return await indexOn(await openDatabase(file, isChecked), faults, hooks);
  } catch (error) {
    faults.report('index', storeFault(`use the index ${FILE_NAME}, so it is rebuilt`, error));
  }
  return beginKeyvIndex(directory, faults, hooks);
}

/** Moves aside what stands in the place of the index, and begins a new one; in memory where that cannot be. */
export async function beginKeyvIndex(directory: string, faults: FaultBoard, hooks: IndexHooks): Promise<Index> {
  const file = indexFile(directory);
  try {
    await moveAside(file);
    const index = await indexOn(await openDatabase(file, false), faults, hooks);
    faults.clear('index');
    return index;
  } catch (error) {
    faults.report('index', storeFault(`write the index ${FILE_NAME}, so it is kept in memory`, error));
    hooks.onMemory();
    // The fault stands until there is a file again, however well memory works.
    return indexOn(await openDatabase(MEMORY, false), { ...faults, clear: () => {} }, hooks);
  }
}

async function isSmall(file: string): Promise<boolean> {
  const stat = await fs.stat(file).catch(() => undefined);
  return stat === undefined || stat.size <= CHECKED_AT_START_BYTES;
}

/** Keeps the broken file for whoever wants to look at it, but only the latest. */
async function moveAside(file: string): Promise<void> {
  const folder = path.dirname(file);
  for (const name of await fs.readdir(folder)) {
    if (name.startsWith(`${FILE_NAME}.broken-`)) await fs.rm(path.join(folder, name), { force: true, recursive: true });
  }
  await fs.rename(file, `${file}.broken-${Date.now()}`).catch((error: unknown) => {
    if (errorCode(error) !== 'ENOENT') throw error;
  });
  await fs.rm(`${file}-wal`, { force: true });
  await fs.rm(`${file}-shm`, { force: true });
}

async function indexOn(database: Database, faults: FaultBoard, hooks: IndexHooks): Promise<Index> {
  let needsRebuild: boolean;
  try {
    needsRebuild = (await database.read(({ rows }) => rows.get(REBUILT_KEY))) !== true;
  } catch (error) {
    // Nobody else knows of it, and its files would never be let go.
    await database.close().catch(() => {});
    throw error;
  }
  const writes = createWriteBehind(async (batch) => {
    try {
      await applyBatch(database.writing, batch);
    } catch (error) {
      // What has been written anew meanwhile is not lost: it comes with a later batch.
      hooks.onLost(new Map([...batch].filter(([key, value]) => writes.pending(key)?.value === value)));
      throw error;
    }
  });

  const reads = createGatheredReads((keys) => readMany(database, keys));

  async function guarded<T>(doing: string, fallback: T, task: () => Promise<T>): Promise<T> {
    try {
      const result = await task();
      faults.clear('index');
      return result;
    } catch (error) {
      faults.report('index', storeFault(`${doing} the index`, error));
      return fallback;
    }
  }

  return {
    get needsRebuild() {
      return needsRebuild;
    },
    get: <T>(kind: RowKind, key: string) =>
      guarded<T | undefined>('read', undefined, async () => {
        const name = rowKey(kind, key);
        const pending = writes.pending(name);
        return (pending === undefined ? await reads(name) : pending.value) as T | undefined;
      }),
    set: (kind, key, value) => guarded('write', undefined, () => writes.write(rowKey(kind, key), value)),
    delete: (kind, key) => guarded('write', undefined, () => writes.write(rowKey(kind, key), undefined)),
    page: (kind, query) => guarded<readonly Row[]>('read', [], () => readPage(database, writes, kind, query)),
    takeTotals: () => guarded<Totals | undefined>('read', undefined, () => takeTotals(database, writes)),
    keepTotals: (known) => guarded('write', undefined, () => writes.write(TOTALS_KEY, known)),
    async markRebuilt() {
      await guarded('write', undefined, async () => {
        await writes.write(REBUILT_KEY, true);
        needsRebuild = false;
      });
    },
    async close() {
      await writes.idle();
      await guarded('close', undefined, () => database.close());
    },
  };
}

function rowKey(kind: RowKind, key: string): string {
  return `${kind}:${key}`;
}

const GET_MANY = 'SELECT key, value FROM keyv WHERE key IN (SELECT value FROM json_each(?))';

async function readMany(database: Database, keys: readonly string[]): Promise<ReadonlyMap<string, unknown>> {
  const answer: unknown = await database.read(({ adapter }) => adapter.query(GET_MANY, JSON.stringify(keys)));
  return new Map((await valuesOf(database, answer)).map(({ key, value }) => [key, value]));
}

/** Keyv puts a colon before texts that begin with one. To look for those is much quicker than to have each row revived. */
const REVIVED = '"::';

function valuesOf({ writing }: Database, answer: unknown): Promise<readonly Row[]> {
  const rows = answer as { readonly key: string; readonly value: string }[];
  return Promise.all(
    rows.map(async ({ key, value }) => {
      const read = value.includes(REVIVED) ? await writing.rows.deserializeData(value) : JSON.parse(value);
      return { key, value: (read as { value: unknown }).value };
    }),
  );
}

/** Sorts after every key: no kind or key has the last code point of Unicode in it. */
const LAST = '\u{10FFFF}';

async function readPage(database: Database, writes: WriteBehind, kind: RowKind, query: RowQuery): Promise<Row[]> {
  await writes.applied();
  const { prefix = '', after, limit } = query;
  const first = rowKey(kind, prefix);
  const last = after === undefined ? '' : rowKey(kind, after);
  // One lower bound: of two, SQLite takes the first and looks through all rows up to the other.
  const isBehind = last >= first;
  const sql = `SELECT key, value FROM keyv WHERE key ${isBehind ? '>' : '>='} ? AND key < ? ORDER BY key LIMIT ?`;
  const answer: unknown = await database.read(({ adapter }) =>
    adapter.query(sql, isBehind ? last : first, first + LAST, limit),
  );
  return (await valuesOf(database, answer)).map(({ key, value }) => ({ key: key.slice(kind.length + 1), value }));
}

async function takeTotals(database: Database, writes: WriteBehind): Promise<Totals | undefined> {
  const kept = await database.read(({ rows }) => rows.get<Totals>(TOTALS_KEY));
  if (kept !== undefined) await writes.write(TOTALS_KEY, undefined);
  return kept;
}
