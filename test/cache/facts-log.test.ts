import assert from 'node:assert/strict';
import fs, { type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import type { FactKind } from '../../src/cache/contract.js';
import { deferred } from '../../src/cache/deferred.js';
import type { FactRecord } from '../../src/cache/facts-lines.js';
import { createFactsLog, type FactsLog, factsLogPath } from '../../src/cache/facts-log.js';
import { replayFacts } from '../../src/cache/facts-replay.js';
import { type CacheFolder, createCacheFolder } from '../support/cache-folder.js';

describe('cache/facts-log', () => {
  let folder: CacheFolder;
  let file: string;
  let opened: FactsLog[];
  let faults: unknown[];
  let wells: string[];

  beforeEach(async () => {
    folder = await createCacheFolder();
    file = factsLogPath(folder.directory);
    opened = [];
    faults = [];
    wells = [];
  });
  afterEach(async () => {
    for (const log of opened) await log.close();
    await folder.dispose();
  });

  function open(): FactsLog {
    const log = createFactsLog(file, { fault: (error) => faults.push(error), well: () => wells.push('well') });
    opened.push(log);
    return log;
  }

  async function append(...records: [string, unknown][]): Promise<void> {
    const log = open();
    await Promise.all(records.map(([key, value]) => log.append({ kind: 'link', key, value })));
    await log.sync();
    await log.close();
  }

  async function standing(): Promise<{ readonly pairs: [string, unknown][]; readonly badLines: number }> {
    const facts: FactRecord[] = [];
    const { badLines } = await replayFacts(file, { take: (some) => void facts.push(...some) });
    return { pairs: facts.map(({ key, value }) => [key, value]), badLines };
  }

  it('keeps facts in the order in which they were appended', async () => {
    await append(['a', 1], ['b', { at: 2 }], ['a', 3], ['c', null], ['b', undefined]);
    await append(['d\n\r\u2028é', 'x\ny']);
    assert.deepEqual(await standing(), {
      pairs: [
        ['a', 3],
        ['c', null],
        ['d\n\r\u2028é', 'x\ny'],
      ],
      badLines: 0,
    });
  });

  it('makes no file before the first fact', async () => {
    await append();
    await assert.rejects(fs.stat(file), { code: 'ENOENT' });
    assert.equal(await open().settled(), 0);
  });

  it('loses only the torn line, wherever the file was cut, and goes on behind it', async () => {
    await append(['a', 1], ['b', 2]);
    const whole = await fs.readFile(file);
    const firstLine = whole.indexOf(0x0a) + 1;
    for (let length = firstLine; length < whole.length - 1; length += 1) {
      await fs.writeFile(file, whole.subarray(0, length));
      await append(['c', 3]);
      assert.deepEqual(await standing(), {
        pairs: [
          ['a', 1],
          ['c', 3],
        ],
        badLines: length === firstLine ? 0 : 1,
      });
    }
  });

  it('I04: rejects while the file cannot be written, and writes what is owed when it can', async () => {
    await fs.mkdir(file);
    const log = open();
    await assert.rejects(log.append({ kind: 'tag', key: 'a', value: 1 }), { code: 'EISDIR' });
    await assert.rejects(log.append({ kind: 'tag', key: 'x', value: undefined }), { code: 'EISDIR' });
    await fs.rmdir(file);
    await log.append({ kind: 'tag', key: 'b', value: 2 });
    await log.close();
    assert.deepEqual((await standing()).pairs, [
      ['a', 1],
      ['b', 2],
    ]);
    assert.match(await fs.readFile(file, 'utf8'), /"i":"x"\}/);
  });

  it('I04: writes what is owed by itself, and says that it works again', async () => {
    await fs.mkdir(file);
    const log = open();
    await assert.rejects(log.append({ kind: 'tag', key: 'a', value: 1 }), { code: 'EISDIR' });
    while (faults.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.equal(wells.length, 0);
    await fs.rmdir(file);
    while (wells.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.deepEqual((await standing()).pairs, [['a', 1]]);
  });

  it('I07: begins again where the file was deleted or replaced while it was open', async () => {
    const log = open();
    await log.append({ kind: 'tag', key: 'a', value: 1 });
    await fs.rm(file);
    await log.append({ kind: 'tag', key: 'b', value: 2 });
    assert.deepEqual((await standing()).pairs, [['b', 2]]);
    await fs.rm(file);
    await fs.writeFile(file, 'torn');
    await log.append({ kind: 'tag', key: 'c', value: 3 });
    assert.deepEqual(await standing(), { pairs: [['c', 3]], badLines: 1 });
  });

  it('knows its size when all lines are in the file', async () => {
    const log = open();
    void log.append({ kind: 'tag', key: 'a', value: 1 });
    assert.equal(await log.settled(), (await fs.stat(file)).size);
  });

  it('is compacted while it is appended to, when it has doubled, and loses nothing', async () => {
    const log = open();
    const filler = 'x'.repeat(1_000);
    let appended = 0;
    async function add(kind: FactKind, keys: number, count: number): Promise<void> {
      const step = Array.from({ length: count }, () => {
        appended += 1;
        return log.append({ kind, key: `k${appended % keys}`, value: { appended, filler } });
      });
      await Promise.all(step);
    }
    await add('link', 10, 200);
    const { ino } = await fs.stat(file);
    // However long it takes, it comes into the place of the old one.
    while ((await fs.stat(file)).ino === ino) await add('link', 10, 200);
    await log.append({ kind: 'tag', key: 'last', value: 1 });
    await log.append({ kind: 'tag', key: 'gone', value: undefined });
    await log.close();
    const { pairs, badLines } = await standing();
    assert.equal(badLines, 0);
    assert.equal(pairs.length, 11);
    const values = pairs.filter(([key]) => key !== 'last').map(([, value]) => (value as { appended: number }).appended);
    assert.deepEqual(
      values.toSorted((a, b) => a - b),
      Array.from({ length: 10 }, (_, n) => appended - 9 + n),
    );
    assert.deepEqual(faults, []);
  });

  it('is appended to while a compacted log is on its way to the disk', async () => {
    const probe = await fs.open(path.join(folder.directory, 'probe'), 'w');
    const handles = Object.getPrototypeOf(probe) as { datasync: (this: FileHandle) => Promise<void> };
    await probe.close();
    const { datasync } = handles;
    const reached = deferred<void>();
    const released = deferred<void>();
    let isFirst = true;
    handles.datasync = async function slow(this: FileHandle) {
      if (isFirst && (await fs.readlink(`/proc/self/fd/${this.fd}`)).endsWith('.new')) {
        isFirst = false;
        reached.resolve();
        await released.promise;
      }
      return datasync.call(this);
    };
    try {
      const log = open();
      const filler = 'x'.repeat(10_000);
      for (let n = 0; n < 450; n += 1) await log.append({ kind: 'tag', key: 'a', value: { n, filler } });
      await reached.promise;
      await log.append({ kind: 'tag', key: 'b', value: 1 });
      released.resolve();
      await log.close();
    } finally {
      handles.datasync = datasync;
    }
    const { pairs } = await standing();
    assert.deepEqual(
      pairs.map(([key]) => key),
      ['a', 'b'],
    );
  });

  it('gives a compaction up that cannot be made, and goes on', async () => {
    await fs.mkdir(`${file}.new`);
    await fs.writeFile(`${file}.new/x`, '');
    const log = open();
    const filler = 'x'.repeat(10_000);
    for (let n = 0; n < 450; n += 1) await log.append({ kind: 'tag', key: 'a', value: { n, filler } });
    await log.close();
    assert.equal(faults.length, 1);
    const { pairs } = await standing();
    assert.deepEqual(pairs, [['a', { n: 449, filler }]]);
  });
});
