import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import { contentPath } from '../../src/cache/content-paths.js';
import { readFrom } from '../contract/cache-store.js';
import { type CacheFolder, createCacheFolder } from '../support/cache-folder.js';
import { holdFolder } from '../support/hold-folder.js';
import { digestOfBytes } from '../support/memory-store.js';

describe('cache/open-cache', () => {
  const bytes = randomBytes(700_000);
  const digest = digestOfBytes(bytes);
  const manifest = Buffer.from('{"schemaVersion":2}');
  let folder: CacheFolder;

  beforeEach(async () => {
    folder = await createCacheFolder();
  });

  afterEach(() => folder.dispose());

  async function fill(): Promise<void> {
    const cache = await folder.open();
    await cache.store.put(digest, bytes, undefined);
    await cache.store.put(digestOfBytes(manifest), manifest, 'x/manifest');
    await cache.facts.set('link', 'registry/repository', { at: 1 });
    await cache.facts.set('tag', 'latest', 'old');
    await cache.facts.set('tag', 'latest', 'new');
    await cache.facts.set('host', 'gone', true);
    await cache.facts.delete('host', 'gone');
    await cache.close();
  }

  async function assertFilled(): Promise<void> {
    const cache = await folder.open();
    assert.deepEqual(await readFrom(cache.store, digest, 0), bytes);
    assert.equal((await cache.store.lookup(digestOfBytes(manifest)))?.mediaType, 'x/manifest');
    assert.deepEqual(await cache.store.readAll(digestOfBytes(manifest), 1_000), manifest);
    assert.deepEqual(await cache.facts.get('link', 'registry/repository'), { at: 1 });
    assert.equal(await cache.facts.get('tag', 'latest'), 'new');
    assert.equal(await cache.facts.get('host', 'gone'), undefined);
    await cache.rebuilt;
    assert.deepEqual(cache.store.usage, { bytes: bytes.length + manifest.length, entries: 2 });
    assert.deepEqual(folder.quarantined, []);
    await cache.close();
  }

  it('keeps content and facts over a restart', async () => {
    await fill();
    await assertFilled();
  });

  const losses: [string, (index: string) => Promise<void>][] = [
    ['deleted', (index) => fs.rm(index)],
    ['zeroed', async (index) => fs.writeFile(index, Buffer.alloc((await fs.stat(index)).size))],
    ['garbage', (index) => fs.writeFile(index, randomBytes(50_000))],
    ['emptied', (index) => fs.truncate(index, 0)],
  ];
  for (const [what, lose] of losses) {
    it(`keeps content and facts where the index is ${what}`, async () => {
      await fill();
      await lose(path.join(folder.directory, 'index.v1.sqlite'));
      await assertFilled();
      await assertFilled();
    });
  }

  for (const [what, lose] of losses) {
    it(`I10: gets over it without a restart where the index is ${what} while it is in use`, async () => {
      const cache = await folder.open({ lookEveryMs: 20 });
      await cache.rebuilt;
      await cache.store.put(digest, bytes, undefined);
      await cache.facts.set('link', 'a', { at: 1 });
      await cache.facts.set('link', 'b', { at: 2 });
      await cache.facts.delete('link', 'b');
      await lose(path.join(folder.directory, 'index.v1.sqlite'));
      while (folder.rebuilds.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      await cache.facts.set('link', 'c', { at: 3 });
      assert.deepEqual(await readFrom(cache.store, digest, 0), bytes);
      assert.deepEqual(cache.store.usage, { bytes: bytes.length, entries: 1 });
      assert.equal(cache.store.fault, undefined);
      await cache.close();
      const again = await folder.open();
      assert.deepEqual(await again.facts.page('link', { limit: 9 }), [
        { key: 'a', value: { at: 1 } },
        { key: 'c', value: { at: 3 } },
      ]);
      assert.deepEqual(again.store.usage, { bytes: bytes.length, entries: 1 });
      assert.equal(folder.rebuilds.length, 1);
    });
  }

  for (const [what, lose] of losses) {
    it(`I10: rebuilds at the next start what is ${what} just before a stop`, async () => {
      await fill();
      const cache = await folder.open();
      await lose(path.join(folder.directory, 'index.v1.sqlite'));
      await cache.facts.set('link', 'late', 1);
      await cache.close();
      await assertFilled();
      assert.equal(await (await folder.open()).facts.get('link', 'late'), 1);
    });
  }

  it('tells of a rebuild, but not of one in a folder that holds nothing yet', async () => {
    const cache = await folder.open();
    await cache.rebuilt;
    await cache.close();
    assert.equal(folder.rebuilds.length, 0);
    await fill();
    await fs.rm(path.join(folder.directory, 'index.v1.sqlite'));
    await assertFilled();
    assert.deepEqual(
      folder.rebuilds.map(([entries]) => entries),
      [2],
    );
  });

  it('counts damaged lines of the log, and goes on with the others', async () => {
    await fill();
    const log = path.join(folder.directory, 'facts.log');
    await fs.writeFile(log, `garbage\n${(await fs.readFile(log, 'utf8')).trimEnd()}`);
    await fs.rm(path.join(folder.directory, 'index.v1.sqlite'));
    await assertFilled();
    assert.deepEqual(folder.faults, ['1 damaged lines of facts.log were left out']);
  });

  it('refuses a folder that another process holds, and takes it when that was killed', async () => {
    const holder = await holdFolder(folder.directory, 'idle');
    try {
      await assert.rejects(folder.open(), {
        code: 'store',
        message: new RegExp(`^data folder .* is in use by process ${holder.pid};`),
      });
    } finally {
      await holder.kill();
    }
    const cache = await folder.open();
    assert.deepEqual(await fs.readdir(path.join(folder.directory, 'spool')), []);
    const kept = Buffer.from('kept from before');
    assert.deepEqual(await cache.store.readAll(digestOfBytes(kept), 100), kept);
    assert.deepEqual(await cache.facts.get('link', 'registry/repository'), { at: 1 });
  });

  for (const step of ['append', 'sync', 'rename-sums', 'rename-content', 'sync-folder']) {
    it(`serves all of the content or nothing after a kill at the step "${step}"`, async () => {
      const holder = await holdFolder(folder.directory, step);
      await holder.kill();
      const { store, rebuilt } = await folder.open();
      await rebuilt;
      const whole = Buffer.alloc(600_000, step);
      const visible = step === 'sync-folder';
      assert.equal((await store.lookup(digestOfBytes(whole))) !== undefined, visible);
      if (visible) assert.deepEqual(await readFrom(store, digestOfBytes(whole), 0), whole);
      assert.deepEqual(store.usage, visible ? { bytes: 600_000, entries: 1 } : { bytes: 0, entries: 0 });
      assert.deepEqual(await fs.readdir(path.join(folder.directory, 'spool')), []);
      await store.put(digestOfBytes(whole), whole, undefined);
      assert.deepEqual(await readFrom(store, digestOfBytes(whole), 0), whole);
    });
  }

  it('hashes content again after an unclean stop, once, and finds what no sum would', async () => {
    await fill();
    await fs.writeFile(path.join(folder.directory, 'lock'), 'left behind');
    const wrong = Buffer.from(manifest);
    wrong[3] = 0x58;
    const file = contentPath(folder.directory, digestOfBytes(manifest));
    await fs.writeFile(file, wrong);
    const { store } = await folder.open();
    assert.deepEqual(await readFrom(store, digest, 0), bytes);
    assert.equal(await store.readAll(digestOfBytes(manifest), 1_000), undefined);
    assert.equal(await store.lookup(digestOfBytes(manifest)), undefined);
    assert.equal(folder.quarantined.length, 1);
    assert.match(folder.quarantined[0] ?? '', /the bytes do not have their digest/);
  });

  it('still hashes after a clean stop what nobody read since the unclean one', async () => {
    await fill();
    await fs.writeFile(path.join(folder.directory, 'lock'), 'left behind');
    await (await folder.open()).close();
    const file = contentPath(folder.directory, digest);
    const sums = await fs.readFile(`${file}.sum`);
    await fs.writeFile(file, randomBytes(bytes.length));
    await fs.writeFile(`${file}.sum`, sums);
    const { store } = await folder.open();
    assert.equal(await store.open(digest), undefined);
    assert.match(folder.quarantined[0] ?? '', /the bytes do not have their digest/);
  });

  it('can be closed twice, and leaves no lock', async () => {
    const cache = await folder.open();
    await Promise.all([cache.close(), cache.close()]);
    await assert.rejects(fs.stat(path.join(folder.directory, 'lock')), { code: 'ENOENT' });
  });
});
