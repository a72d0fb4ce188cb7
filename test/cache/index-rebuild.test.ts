import assert from 'node:assert/strict';
import fs from 'node:fs/promises';
import type { Index } from '../../src/cache/contract.js';
import { encodeFact } from '../../src/cache/facts-lines.js';
import { factsLogPath } from '../../src/cache/facts-log.js';
import { createFaultBoard } from '../../src/cache/fault-board.js';
import { createIndexRebuild, type IndexRebuild } from '../../src/cache/index-rebuild.js';
import { type CacheFolder, createCacheFolder } from '../support/cache-folder.js';

describe('cache/index-rebuild', () => {
  let folder: CacheFolder;
  let rows: Map<string, unknown>;
  let rebuilt: number;
  let onSet: (name: string) => void;
  let rebuild: IndexRebuild;

  beforeEach(async () => {
    folder = await createCacheFolder();
    rows = new Map();
    rebuilt = 0;
    onSet = () => {};
    const file = factsLogPath(folder.directory);
    const index = {
      async set(kind: string, key: string, value: unknown) {
        rows.set(`${kind}:${key}`, value);
        onSet(`${kind}:${key}`);
      },
      async delete(kind: string, key: string) {
        rows.delete(`${kind}:${key}`);
      },
      async markRebuilt() {
        rebuilt += 1;
      },
    };
    rebuild = createIndexRebuild({
      factsFile: file,
      log: { settled: async () => (await fs.stat(file)).size },
      index: index as unknown as Index,
      faults: createFaultBoard(folder.events),
      events: folder.events,
    });
  });
  afterEach(() => folder.dispose());

  function write(lines: readonly (readonly [string, unknown])[]): Promise<void> {
    const text = lines.map(([key, value]) => encodeFact({ kind: 'link', key, value })).join('');
    return fs.writeFile(factsLogPath(folder.directory), text);
  }

  it('gives the index all facts, then all content, and tells of it', async () => {
    await write([
      ['a', 1],
      ['b', 2],
      ['a', 3],
    ]);
    const order: string[] = [];
    await rebuild.fill(
      async (onShare) => {
        assert.ok((rebuild.share ?? 1) < 0.5);
        order.push('content');
        onShare(0.5);
        assert.equal(rebuild.share, 0.75);
        return 7;
      },
      () => order.push('facts'),
    );
    assert.deepEqual(order.slice(0, 2), ['facts', 'content']);
    assert.deepEqual(
      [...rows],
      [
        ['link:b', 2],
        ['link:a', 3],
      ],
    );
    assert.equal(rebuilt, 1);
    assert.deepEqual(folder.rebuilds, [[7, 2]]);
    assert.equal(rebuild.share, undefined);
  });

  it('never replaces a fact that was written meanwhile by an older line', async () => {
    const keys = Array.from({ length: 10_000 }, (_, n) => `key ${n}`);
    await write(keys.map((key) => [key, { text: 'x'.repeat(100) }]));
    let sets = 0;
    onSet = () => {
      sets += 1;
      if (sets !== 10) return;
      rebuild.noteWrite('link', 'key 9999');
      rows.set('link:key 9999', 'new');
      rebuild.noteWrite('link', 'key 9998');
    };
    await rebuild.fill(async () => 0);
    assert.equal(rows.get('link:key 9999'), 'new');
    assert.equal(rows.has('link:key 9998'), false);
    assert.equal(rows.size, keys.length - 1);
  });

  it('takes back what was taken back, where an earlier filling has left it', async () => {
    await write([
      ['a', 1],
      ['a', undefined],
    ]);
    rows.set('link:a', 1);
    await rebuild.fill(async () => 0);
    assert.equal(rows.size, 0);
  });

  it('begins again where the index was begun anew, and gives the first filling up', async () => {
    const keys = Array.from({ length: 10_000 }, (_, n) => `key ${n}`);
    await write(keys.map((key) => [key, 1]));
    let second: Promise<void> | undefined;
    onSet = () => {
      if (second !== undefined) return;
      rows.clear();
      second = rebuild.fill(async () => 0);
    };
    const first = rebuild.fill(async () => assert.fail('the first filling went on'));
    await first;
    await second;
    assert.equal(rows.size, keys.length);
    assert.equal(rebuilt, 1);
  });

  it('is not finished where it was stopped', async () => {
    await write([['a', 1]]);
    await rebuild.fill(async () => {
      rebuild.stop();
      return 1;
    });
    assert.equal(rebuilt, 0);
  });

  it('catches up with the last lines of the log, what was taken back included', async () => {
    await write([
      ['old', 1],
      ...Array.from({ length: 12_000 }, (_, n): [string, unknown] => [`filler ${n % 10}`, 'x'.repeat(100)]),
      ['a', 1],
      ['b', undefined],
    ]);
    rows.set('link:b', 'lost with the power');
    await rebuild.catchUp();
    assert.equal(rows.get('link:a'), 1);
    assert.equal(rows.has('link:b'), false);
    assert.equal(rows.has('link:old'), false);
    assert.deepEqual(folder.faults, []);
  });

  it('goes on with the content where the log cannot be read', async () => {
    await fs.mkdir(factsLogPath(folder.directory));
    await rebuild.fill(async () => 3);
    assert.deepEqual(folder.rebuilds, [[3, 0]]);
    assert.equal(folder.faults.length, 1);
  });
});
