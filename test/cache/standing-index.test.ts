import assert from 'node:assert/strict';
import fs from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { KeyvSqlite } from '@keyv/sqlite';
import type { Index } from '../../src/cache/contract.js';
import { createFaultBoard, type FaultBoard } from '../../src/cache/fault-board.js';
import { beginKeyvIndex, indexFile, openKeyvIndex } from '../../src/cache/keyv-index.js';
import { openStandingIndex } from '../../src/cache/standing-index.js';
import { ProxyError } from '../../src/errors.js';
import { type CacheFolder, createCacheFolder } from '../support/cache-folder.js';

type Lose = (batch: ReadonlyMap<string, unknown>) => void;

describe('cache/standing-index', function () {
  this.timeout(30_000);
  let folder: CacheFolder;
  let file: string;
  let faults: FaultBoard;
  let opened: Index[];
  let replaced: number;

  beforeEach(async () => {
    folder = await createCacheFolder();
    file = indexFile(folder.directory);
    faults = createFaultBoard(folder.events);
    opened = [];
    replaced = 0;
  });
  afterEach(async () => {
    for (const index of opened) await index.close();
    await folder.dispose();
  });

  async function open(): Promise<Index> {
    const { directory } = folder;
    const index = await openStandingIndex({
      file,
      faults,
      open: (board, hooks, anew) =>
        anew ? beginKeyvIndex(directory, board, hooks) : openKeyvIndex(directory, board, false, hooks),
      onReplaced: () => {
        replaced += 1;
      },
      lookEveryMs: 20,
    });
    opened.push(index);
    return index;
  }

  async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
    while (!(await condition())) await delay(5);
  }

  async function filled(): Promise<Index> {
    const index = await open();
    await index.markRebuilt();
    await Promise.all(Array.from({ length: 3_000 }, (_, n) => index.set('tag', `t${n}`, { text: 'x'.repeat(300) })));
    return index;
  }

  const losses: [string, () => Promise<void>][] = [
    ['deleted', () => fs.rm(file)],
    ['zeroed', async () => fs.writeFile(file, Buffer.alloc((await fs.stat(file)).size))],
    ['emptied', () => fs.truncate(file, 0)],
    ['cut', () => fs.truncate(file, 5_000)],
    ['cut between pages', () => fs.truncate(file, 4_096)],
    ['replaced', () => fs.copyFile(file, `${file}.copy`).then(() => fs.rename(`${file}.copy`, file))],
  ];
  for (const [what, lose] of losses) {
    it(`I10: begins anew where the file is ${what} while it is in use`, async () => {
      await filled();
      await opened.pop()?.close();
      const index = await open();
      await lose();
      await until(() => replaced === 1);
      assert.equal(await index.get('tag', 't1'), undefined);
      assert.equal(index.needsRebuild, true);
      await index.set('tag', 't1', 'new');
      assert.equal(await index.get('tag', 't1'), 'new');
      await index.markRebuilt();
      assert.equal(faults.current, undefined);
      await opened.pop()?.close();
      const again = await open();
      assert.equal(await again.get('tag', 't1'), 'new');
      assert.equal(again.needsRebuild, false);
    });
  }

  it('I10: trusts no row of a file that is damaged in the middle, and begins anew', async () => {
    // Closed and opened again, so that all pages are in the file and none in memory.
    await filled();
    await opened.pop()?.close();
    const index = await open();
    const handle = await fs.open(file, 'r+');
    const { size } = await handle.stat();
    await handle.write(Buffer.alloc(size - 8_192, 0x5a), 0, size - 8_192, 8_192);
    await handle.close();
    await until(async () => {
      const value = await index.get<{ text: string }>('tag', 't2000');
      assert.ok(value === undefined || value.text.length === 300);
      return replaced === 1;
    });
    assert.ok(folder.faults.length > 0);
    await index.set('tag', 't1', 1);
    assert.equal(await index.get('tag', 't1'), 1);
    assert.equal(faults.current, undefined);
    assert.ok((await fs.readdir(folder.directory)).some((name) => name.includes('.broken-')));
  });

  it('I10: owes writes while another process has locked the file, answers by them, and pays them', async () => {
    const index = await filled();
    const other = new KeyvSqlite({ uri: `sqlite://${file}`, table: 'keyv', busyTimeout: 0 });
    await other.query('BEGIN EXCLUSIVE');
    await Promise.all([index.set('link', 'a', 1), index.delete('tag', 't5')]);
    assert.match(faults.current ?? '', /SQLITE_BUSY/);
    assert.equal(await index.get('link', 'a'), 1);
    assert.equal(await index.get('tag', 't5'), undefined);
    await other.query('ROLLBACK');
    await other.close();
    await until(() => faults.current === undefined);
    await opened.pop()?.close();
    assert.equal(replaced, 0);
    const again = await open();
    assert.equal(await again.get('link', 'a'), 1);
    assert.equal(await again.get('tag', 't5'), undefined);
    assert.notEqual(await again.get('tag', 't6'), undefined);
  });

  it('I07: goes back to a file where it had to begin in memory', async () => {
    // A folder with a side-car of the database in it can be neither opened nor taken for one.
    await fs.mkdir(`${file}-wal`);
    await fs.writeFile(path.join(`${file}-wal`, 'x'), '');
    const index = await open();
    await index.set('tag', 'a', 1);
    assert.equal(await index.get('tag', 'a'), 1);
    assert.match(faults.current ?? '', /kept in memory/);
    await fs.rm(`${file}-wal`, { recursive: true });
    await until(() => replaced >= 1 && faults.current === undefined);
    await index.set('tag', 'b', 2);
    await opened.pop()?.close();
    const again = await open();
    assert.equal(await again.get('tag', 'b'), 2);
  });

  /** An index that notes what is written, and loses what it is told to. */
  async function openNoting(): Promise<{ index: Index; rows: Map<string, unknown>; lose: Lose; most: () => number }> {
    const rows = new Map<string, unknown>();
    let running = 0;
    let most = 0;
    let lose: Lose = () => {};
    const index = await openStandingIndex({
      file,
      faults,
      open: async (board, hooks) => {
        lose = (batch) => {
          hooks.onLost(batch);
          board.report('index', new ProxyError('store', 'lost'));
        };
        return {
          needsRebuild: false,
          get: async <T>(kind: string, key: string) => rows.get(`${kind}:${key}`) as T | undefined,
          async set(kind: string, key: string, value: unknown) {
            running += 1;
            most = Math.max(most, running);
            await new Promise((resolve) => setImmediate(resolve));
            rows.set(`${kind}:${key}`, value);
            running -= 1;
          },
          delete: async () => {},
          page: async () => [],
          takeTotals: async () => undefined,
          keepTotals: async () => {},
          markRebuilt: async () => {},
          close: async () => {},
        };
      },
      onReplaced: () => {},
    });
    opened.push(index);
    return { index, rows, lose, most: () => most };
  }

  it('makes up for many lost writes some hundreds at a time', async () => {
    const { index, rows, lose, most } = await openNoting();
    lose(new Map(Array.from({ length: 1200 }, (_, n) => [`tag:t${n}`, n])));
    assert.equal(await index.get('tag', 't1199'), 1199);
    await until(() => rows.size === 1200);
    assert.equal(most(), 500);
  });

  it('does not replace what was written later by what is owed', async () => {
    const { index, rows, lose } = await openNoting();
    lose(
      new Map([
        ['tag:a', 'old'],
        ['tag:b', 'old'],
      ]),
    );
    await index.set('tag', 'a', 'new');
    assert.equal(await index.get('tag', 'a'), 'new');
    await until(() => rows.has('tag:b'));
    assert.equal(rows.get('tag:a'), 'new');
  });
});
