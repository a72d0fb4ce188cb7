import assert from 'node:assert/strict';
import path from 'node:path';
import { applyBatch, type Database, MEMORY, openDatabase } from '../../src/cache/keyv-database.js';
import { type CacheFolder, createCacheFolder } from '../support/cache-folder.js';

describe('cache/keyv-database', () => {
  let folder: CacheFolder;
  let opened: Database[];

  beforeEach(async () => {
    folder = await createCacheFolder();
    opened = [];
  });

  afterEach(async () => {
    for (const database of opened) await database.close();
    await folder.dispose();
  });

  async function open(file: string): Promise<Database> {
    const database = await openDatabase(file, false);
    opened.push(database);
    return database;
  }

  for (const [where, fileIn] of [
    ['in a file', () => path.join(folder.directory, 'x.sqlite')],
    ['in memory', () => MEMORY],
  ] as const) {
    it(`reads what was written, ${where}`, async () => {
      const database = await open(fileIn());
      await applyBatch(
        database.writing,
        new Map<string, unknown>([
          ['a', { n: 1 }],
          ['b', 2],
        ]),
      );
      await applyBatch(
        database.writing,
        new Map<string, unknown>([
          ['a', undefined],
          ['b', 3],
        ]),
      );
      assert.equal(await database.read(({ rows }) => rows.get('a')), undefined);
      assert.equal(await database.read(({ rows }) => rows.get('b')), 3);
    });
  }

  it('lets one read end before the next begins, and never reads where it writes', async () => {
    const database = await open(path.join(folder.directory, 'x.sqlite'));
    const steps: string[] = [];
    const read = (name: string): Promise<void> =>
      database.read(async (connection) => {
        assert.notEqual(connection, database.writing);
        steps.push(`${name} begins`);
        await connection.rows.get(name);
        steps.push(`${name} ends`);
      });
    await Promise.all([read('a'), read('b')]);
    assert.deepEqual(steps, ['a begins', 'a ends', 'b begins', 'b ends']);
  });

  it('writes nothing of a batch that is refused', async () => {
    const database = await open(path.join(folder.directory, 'x.sqlite'));
    await database.writing.adapter.query(
      'CREATE TRIGGER no BEFORE DELETE ON keyv BEGIN SELECT RAISE(ABORT, "no"); END',
    );
    await applyBatch(database.writing, new Map([['a', 1]]));
    await assert.rejects(
      applyBatch(
        database.writing,
        new Map<string, unknown>([
          ['b', 2],
          ['a', undefined],
        ]),
      ),
    );
    assert.equal(await database.read(({ rows }) => rows.get('b')), undefined);
    assert.equal(await database.read(({ rows }) => rows.get('a')), 1);
  });
});
