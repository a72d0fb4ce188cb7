import assert from 'node:assert/strict';
import fs from 'node:fs/promises';
import path from 'node:path';
import { KeyvSqlite } from '@keyv/sqlite';
import type { Index } from '../../src/cache/contract.js';
import { createFaultBoard, type FaultBoard } from '../../src/cache/fault-board.js';
import { openKeyvIndex } from '../../src/cache/keyv-index.js';
import { type CacheFolder, createCacheFolder } from '../support/cache-folder.js';

describe('cache/keyv-index', () => {
  let folder: CacheFolder;
  let file: string;
  let faults: FaultBoard;
  let opened: Index[];

  beforeEach(async () => {
    folder = await createCacheFolder();
    file = path.join(folder.directory, 'index.v1.sqlite');
    faults = createFaultBoard(folder.events);
    opened = [];
  });

  afterEach(async () => {
    for (const index of opened) await index.close();
    await folder.dispose();
  });

  async function open(checkWhole = false): Promise<Index> {
    const index = await openKeyvIndex(folder.directory, faults, checkWhole);
    opened.push(index);
    return index;
  }

  async function close(): Promise<void> {
    await opened.pop()?.close();
  }

  it('lets go of a file whose rows cannot be found', async () => {
    const index = await open();
    for (let n = 0; n < 300; n += 1) void index.set('link', `key ${n}`, 'x'.repeat(50));
    await index.markRebuilt();
    await close();
    const bytes = await fs.readFile(file);
    const pageBytes = bytes.readUInt16BE(16);
    for (let at = pageBytes; at < bytes.length; at += pageBytes) {
      // Pages of an index (SQLite's file format, section 1.6), by which a row is found.
      if (bytes[at] === 2 || bytes[at] === 10) bytes.fill(0xff, at, at + pageBytes);
    }
    await fs.writeFile(file, bytes);
    assert.equal((await open()).needsRebuild, true);
    await close();
    const held = await Promise.all(
      (await fs.readdir('/proc/self/fd')).map((fd) => fs.readlink(`/proc/self/fd/${fd}`).catch(() => '')),
    );
    assert.deepEqual(
      held.filter((target) => target.startsWith(folder.directory)),
      [],
    );
  });

  it('gives the rows of a kind a page at a time, in the order of their keys, with what was just written', async () => {
    const index = await open();
    const keys = ['r/a:1', 'r/a:2', 'r/b:1', 'q'];
    void Promise.all(keys.map((key) => index.set('tag', key, { at: key })));
    void index.set('link', 'r/a:3', 1);
    void index.delete('tag', 'r/b:1');
    const first = await index.page('tag', { limit: 2 });
    assert.deepEqual(first, [
      { key: 'q', value: { at: 'q' } },
      { key: 'r/a:1', value: { at: 'r/a:1' } },
    ]);
    const rest = await index.page('tag', { limit: 2, after: 'r/a:1' });
    assert.deepEqual(
      rest.map(({ key }) => key),
      ['r/a:2'],
    );
    assert.equal((await index.page('tag', { prefix: 'r/a', limit: 9 })).length, 2);
    assert.deepEqual(await index.page('tag', { prefix: 'x', limit: 9 }), []);
  });

  it('keeps rows over a restart, kinds apart', async () => {
    const index = await open();
    await Promise.all([index.set('link', 'link:a', 1), index.set('link', 'a', 2), index.set('tag', 'a', { b: ':c' })]);
    await index.delete('link', 'never set');
    await close();
    const again = await open();
    assert.equal(await again.get('link', 'link:a'), 1);
    assert.equal(await again.get('link', 'a'), 2);
    assert.deepEqual(await again.get('tag', 'a'), { b: ':c' });
    assert.deepEqual(await again.page('tag', { limit: 9 }), [{ key: 'a', value: { b: ':c' } }]);
    assert.equal(await again.get('host', 'a'), undefined);
    await again.delete('link', 'a');
    assert.equal(await again.get('link', 'a'), undefined);
    assert.equal(faults.current, undefined);
  });

  it('reads what was written last, while it is being written', async () => {
    const index = await open();
    const writes = Array.from({ length: 200 }, (_, n) => index.set('tag', 'moving', n));
    assert.equal(await index.get('tag', 'moving'), 199);
    await Promise.all(writes);
    assert.equal(await index.get('tag', 'moving'), 199);
    await Promise.all([index.set('tag', 'moving', 'x'), index.delete('tag', 'moving')]);
    assert.equal(await index.get('tag', 'moving'), undefined);
  });

  it('I17: gives more than 20,000 rows, page by page', async () => {
    const index = await open();
    const rows = Array.from({ length: 25_000 }, (_, n) => index.set('entry', `d${n}`, { sizeBytes: n }));
    await Promise.all([...rows, index.set('link', 'x', { sizeBytes: 5 })]);
    let count = 0;
    let after = '';
    for (let page = await index.page('entry', { limit: 2000 }); page.length > 0; ) {
      count += page.length;
      after = page.at(-1)?.key ?? '';
      page = await index.page('entry', { limit: 2000, after });
    }
    assert.equal(count, 25_000);
  });

  it('reads while a transaction waits for the disk', async () => {
    const index = await open();
    await index.set('tag', 'before', 1);
    const other = new KeyvSqlite({ uri: `sqlite://${file}`, table: 'keyv' });
    await other.query('BEGIN IMMEDIATE');
    try {
      let isWritten = false;
      const write = async (): Promise<void> => {
        await index.set('tag', 'meanwhile', 2);
        isWritten = true;
      };
      const writing = write();
      for (let n = 0; n < 5; n += 1) assert.equal(await index.get('tag', 'before'), 1);
      assert.equal(isWritten, false);
      await other.query('COMMIT');
      await writing;
    } finally {
      await other.disconnect();
    }
    assert.deepEqual(await index.page('tag', { limit: 9 }), [
      { key: 'before', value: 1 },
      { key: 'meanwhile', value: 2 },
    ]);
    assert.equal(faults.current, undefined);
  });

  it('tells which writes were refused, but for those that have been replaced meanwhile', async () => {
    const lost: [string, unknown][] = [];
    const other = new KeyvSqlite({ uri: `sqlite://${file}`, table: 'keyv' });
    let locked: Promise<unknown> = Promise.resolve();
    const index = await openKeyvIndex(folder.directory, faults, false, {
      onLost(batch) {
        lost.push(...batch);
        locked = other.query('COMMIT');
      },
      onMemory: () => {},
    });
    opened.push(index);
    await other.query('BEGIN IMMEDIATE');
    try {
      const first = [index.set('tag', 'a', 1), index.set('tag', 'b', 1)];
      // Past the turn in which the first batch is taken.
      await new Promise((resolve) => setImmediate(resolve));
      await Promise.all([...first, index.set('tag', 'a', 2)]);
      await locked;
    } finally {
      await other.disconnect();
    }
    assert.deepEqual(lost, [['tag:b', 1]]);
    assert.equal(await index.get('tag', 'a'), 2);
  }).timeout(10_000);

  it('gives the totals that the last run left, once: after a crash there are none', async () => {
    const index = await open();
    await index.keepTotals({ bytes: 7, entries: 3 });
    await close();
    assert.deepEqual(await (await open()).takeTotals(), { bytes: 7, entries: 3 });
    await close();
    assert.equal(await (await open()).takeTotals(), undefined);
  });

  it('asks for a rebuild until one was completed', async () => {
    assert.equal((await open()).needsRebuild, true);
    await close();
    const index = await open();
    assert.equal(index.needsRebuild, true);
    await index.markRebuilt();
    assert.equal(index.needsRebuild, false);
    await close();
    assert.equal((await open()).needsRebuild, false);
  });

  async function fill(): Promise<void> {
    const index = await open();
    await index.markRebuilt();
    await Promise.all(Array.from({ length: 2_000 }, (_, n) => index.set('tag', `t${n}`, { text: 'x'.repeat(200) })));
    await close();
  }

  async function brokenFiles(): Promise<string[]> {
    return (await fs.readdir(folder.directory)).filter((name) => name.includes('.broken-'));
  }

  const damages: [string, (content: Buffer) => Buffer][] = [
    ['with a zeroed header', (content) => content.fill(0, 0, 100)],
    ['of garbage', () => Buffer.from('not a database at all, but long enough to look like one'.repeat(100))],
    ['with garbage in the middle', (content) => content.fill(0xa5, 8_192, content.length - 4_096)],
  ];
  for (const [what, damage] of damages) {
    it(`moves a file ${what} aside after an unclean stop, and begins a new one`, async () => {
      await fill();
      await fs.writeFile(file, damage(await fs.readFile(file)));
      const index = await open(true);
      assert.equal(index.needsRebuild, true);
      await index.set('tag', 'new', 1);
      assert.equal(await index.get('tag', 'new'), 1);
      assert.equal((await brokenFiles()).length, 1);
      assert.match(folder.faults[0] ?? '', /cannot use the index index.v1.sqlite, so it is rebuilt/);
      assert.equal(faults.current, undefined);
    });
  }

  it('leaves the index of a newer release alone, builds its own, and finds it when it comes back', async () => {
    const newer = path.join(folder.directory, 'index.v2.sqlite');
    await fs.writeFile(newer, 'rows in a form that nobody knows yet');
    const index = await open();
    assert.equal(index.needsRebuild, true);
    await index.markRebuilt();
    await index.set('tag', 'a', 1);
    await close();
    assert.equal(await fs.readFile(newer, 'utf8'), 'rows in a form that nobody knows yet');
    const again = await open();
    assert.equal(again.needsRebuild, false);
    assert.equal(await again.get('tag', 'a'), 1);
    assert.deepEqual(folder.faults, []);
  });

  it('does not read a large file whole before it is ready', async () => {
    await fill();
    const content = await fs.readFile(file);
    await fs.writeFile(file, content.fill(0xa5, content.length - 8_192, content.length - 4_096));
    // Not written, and behind the end that the header tells: it only makes the file large.
    await fs.truncate(file, 65 * 1024 * 1024);
    assert.equal((await open(true)).needsRebuild, false);
    assert.deepEqual(await brokenFiles(), []);
  });

  it('keeps the latest broken file only', async () => {
    await fs.writeFile(`${file}.broken-1`, 'older');
    await fs.writeFile(file, 'garbage '.repeat(1_000));
    await open();
    assert.equal((await brokenFiles()).length, 1);
    assert.notDeepEqual(await brokenFiles(), ['index.v1.sqlite.broken-1']);
  });

  it('gets out of the way of a stranger that has locked the file', async () => {
    await fill();
    const stranger = new KeyvSqlite({ uri: `sqlite://${file}` });
    await stranger.query('PRAGMA locking_mode=EXCLUSIVE');
    await stranger.query('BEGIN EXCLUSIVE');
    await stranger.set('x', 'y');
    try {
      const index = await open();
      assert.equal(index.needsRebuild, true);
      await index.set('tag', 'new', 1);
      assert.equal(await index.get('tag', 'new'), 1);
    } finally {
      await stranger.query('ROLLBACK');
      await stranger.close();
    }
  });

  it('works in memory where no file can be had, and says so until the next start', async () => {
    await fs.mkdir(path.join(file, 'full'), { recursive: true });
    await fs.mkdir(`${file}-wal/x`, { recursive: true });
    const index = await open();
    await index.set('tag', 'new', 1);
    assert.equal(await index.get('tag', 'new'), 1);
    assert.match(faults.current ?? '', /kept in memory/);
  });

  it('never rejects once it is closed under its users', async () => {
    const index = await open();
    await index.close();
    await index.set('tag', 'a', 1);
    await index.delete('tag', 'a');
    assert.equal(await index.get('tag', 'a'), undefined);
    assert.equal(await index.takeTotals(), undefined);
    assert.match(faults.current ?? '', /the index/);
  });
});
