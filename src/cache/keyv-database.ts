import { KeyvSqlite } from '@keyv/sqlite';
import { Keyv } from 'keyv';
import { createKeyedQueue } from './keyed-queue.js';

const BUSY_TIMEOUT_MS = 2_000;
/** In the place of a file: lives as long as it is open. */
export const MEMORY = ':memory:';

export interface Connection {
  readonly rows: Keyv;
  readonly adapter: KeyvSqlite;
}

/**
 * One connection writes, in transactions one after the other, and one reads. The driver lets go of each statement on the
 * main thread, and waits there for whatever the same connection is doing: behind a transaction that reaches the disk,
 * that is as long as the disk takes.
 */
export interface Database {
  readonly writing: Connection;
  /** Runs a read when those before it have ended, for the same reason. */
  readonly read: <T>(task: (connection: Connection) => Promise<T>) => Promise<T>;
  close(): Promise<void>;
}

/** Opens a database, which is made where there is none. `checkWhole` reads it whole and rejects where it is damaged. */
export async function openDatabase(file: string, checkWhole: boolean): Promise<Database> {
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
      try {
        if (reading !== writing) await reading.adapter.close();
      } finally {
        await writing.adapter.close();
      }
    },
  };
}

async function connect(uri: string, checkWhole: boolean): Promise<Connection> {
  const adapter = new KeyvSqlite({ uri, table: 'keyv', busyTimeout: BUSY_TIMEOUT_MS, iterationLimit: 100_000 });
  // Prefixes are put by the index: Keyv leaves out its own where a key happens to begin with the namespace's name.
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

const SET_MANY =
  "INSERT INTO keyv (key, value) SELECT value ->> '$[0]', value ->> '$[1]' FROM json_each(?) WHERE true" +
  ' ON CONFLICT(key) DO UPDATE SET value = excluded.value';
const DELETE_MANY = 'DELETE FROM keyv WHERE key IN (SELECT value FROM json_each(?))';

/** Writes all of a batch, or nothing: undefined stands for a deletion. One transaction and two statements per batch: some thirty times the rows a second of single writes. */
export async function applyBatch({ rows, adapter }: Connection, batch: ReadonlyMap<string, unknown>): Promise<void> {
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
