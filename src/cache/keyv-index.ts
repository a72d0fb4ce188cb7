import fs from 'node:fs/promises';
import path from 'node:path';
import { KeyvSqlite } from '@keyv/sqlite';
import { Keyv } from 'keyv';
import type { Index, Row, RowKind, RowQuery, Totals } from './contract.js';
import type { FaultBoard } from './fault-board.js';
import { errorCode, storeFault } from './file-system.js';
import { createKeyedQueue } from './keyed-queue.js';
import { createWriteBehind, type WriteBehind } from './write-behind.js';

const FILE_NAME = 'index.v1.sqlite';
/** No entry or fact begins with this, because kinds have no such name. */
const REBUILT_KEY = 'meta:rebuilt';
const TOTALS_KEY = 'meta:totals';
/** A file that is read whole within a fraction of a second, from a slow disk too: some 100,000 entries. */
const CHECKED_AT_START_BYTES = 64 * 1024 * 1024;
const BUSY_TIMEOUT_MS = 2_000;
const MEMORY = ':memory:';

interface Connection {
  readonly rows: Keyv;
  readonly adapter: KeyvSqlite;
}

/**
 * One connection writes, in transactions one after the other, and one reads. The driver lets go of each statement on the
 * main thread, and waits there for whatever the same connection is doing: behind a transaction that reaches the disk,
 * that is as long as the disk takes.
 */
interface Database {
  readonly writing: Connection;
  /** Runs a read when those before it have ended, for the same reason. */
  readonly read: <T>(task: (connection: Connection) => Promise<T>) => Promise<T>;
  close(): Promise<void>;
}

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

async function openDatabase(file: string, checkWhole: boolean): Promise<Database> {
  const uri = `sqlite://${file}`;
  const writing = await connect(uri, checkWhole);
  // A database in memory belongs to its connection.
  const reading = file === MEMORY ? writing : await connect(uri, false).catch(() => writing);
  const queue = createKeyedQueue();
  return {
    writing,
    read: (task) => queue.run('read', () => task(reading)),
    async close() {
      await queue.idle();
      if (reading !== writing) await reading.adapter.close();
      await writing.adapter.close();
    },
  };
}

async function connect(uri: string, checkWhole: boolean): Promise<Connection> {
  const adapter = new KeyvSqlite({ uri, table: 'keyv', busyTimeout: BUSY_TIMEOUT_MS, iterationLimit: 100_000 });
  // Prefixes are put by this file: Keyv leaves out its own where a key happens to begin with the namespace's name.
  const rows = new Keyv({ store: adapter, useKeyPrefix: false, throwOnErrors: true });
  // Every call rejects as well; the event only must not go unheard.
  rows.on('error', () => {});
  try {
    // journal_mode first: it is the first statement that has to read the file.
    await adapter.query('PRAGMA journal_mode=WAL');
    await adapter.query('PRAGMA synchronous=NORMAL');
    await adapter.query('SELECT key, value FROM keyv LIMIT 1');
    if (checkWhole) await refuseDamage(adapter);
    return { rows, adapter };
  } catch (error) {
    await adapter.close().catch(() => {});
    throw error;
  }
}

async function refuseDamage(adapter: KeyvSqlite): Promise<void> {
  const answer: unknown = await adapter.query('PRAGMA quick_check(1)');
  const verdict = (answer as { quick_check?: string }[])[0]?.quick_check;
  if (verdict !== 'ok') throw new Error(verdict ?? 'no answer to quick_check');
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
  let needsRebuild = (await database.read(({ rows }) => rows.get(REBUILT_KEY))) !== true;
  const writes = createWriteBehind(async (batch) => {
    try {
      await applyBatch(database.writing, batch);
    } catch (error) {
      // What has been written anew meanwhile is not lost: it comes with a later batch.
      hooks.onLost(new Map([...batch].filter(([key, value]) => writes.pending(key)?.value === value)));
      throw error;
    }
  });

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
      guarded<T | undefined>('read', undefined, () => readRow<T>(database, writes, rowKey(kind, key))),
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

async function readRow<T>(database: Database, writes: WriteBehind, key: string): Promise<T | undefined> {
  const pending = writes.pending(key);
  if (pending !== undefined) return pending.value as T | undefined;
  return database.read(({ rows }) => rows.get<T>(key));
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
  return (answer as { key: string; value: string }[]).map(({ key, value }) => ({
    key: key.slice(kind.length + 1),
    value: (JSON.parse(value) as { value: unknown }).value,
  }));
}

const SET_MANY =
  "INSERT INTO keyv (key, value) SELECT value ->> '$[0]', value ->> '$[1]' FROM json_each(?) WHERE true" +
  ' ON CONFLICT(key) DO UPDATE SET value = excluded.value';
const DELETE_MANY = 'DELETE FROM keyv WHERE key IN (SELECT value FROM json_each(?))';

/** One transaction and two statements per batch: some thirty times the rows a second of single writes. */
async function applyBatch({ rows, adapter }: Connection, batch: ReadonlyMap<string, unknown>): Promise<void> {
  const gone = [...batch].filter(([, value]) => value === undefined).map(([key]) => key);
  const set = [...batch].filter(([, value]) => value !== undefined);
  const texts = await Promise.all(set.map(async ([key, value]) => [key, await rows.serializeData({ value })]));
  await adapter.query('BEGIN');
  try {
    if (texts.length > 0) await adapter.query(SET_MANY, JSON.stringify(texts));
    if (gone.length > 0) await adapter.query(DELETE_MANY, JSON.stringify(gone));
    await adapter.query('COMMIT');
  } catch (error) {
    await adapter.query('ROLLBACK').catch(() => {});
    throw error;
  }
}

async function takeTotals(database: Database, writes: WriteBehind): Promise<Totals | undefined> {
  const kept = await database.read(({ rows }) => rows.get<Totals>(TOTALS_KEY));
  if (kept !== undefined) await writes.write(TOTALS_KEY, undefined);
  return kept;
}
