import assert from 'node:assert/strict';
import fs from 'node:fs/promises';
import path from 'node:path';
import { contentPath } from '../../src/cache/content-paths.js';
import { type CacheFolder, createCacheFolder } from '../support/cache-folder.js';
import { digestOfBytes } from '../support/memory-store.js';

describe('cache/upkeep', () => {
  let folder: CacheFolder;
  beforeEach(async () => {
    folder = await createCacheFolder();
  });
  afterEach(() => folder.dispose());

  async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
    while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 2));
  }

  it('I08: scrubs what nobody asks for, and what was bad can be stored again', async () => {
    const bytes = Buffer.from('forgotten');
    const digest = digestOfBytes(bytes);
    const cache = await folder.open({ scrubRoundMs: 20 });
    await cache.store.put(digest, bytes, undefined);
    await fs.writeFile(contentPath(folder.directory, digest), 'forgottEn');
    await until(() => folder.quarantined.length === 1);
    await until(async () => (await cache.store.lookup(digest)) === undefined);
    await until(() => (cache.scrub?.bad ?? 0) === 1 && (cache.scrub?.rounds ?? 0) > 0);
    await cache.store.put(digest, bytes, undefined);
    const before = cache.scrub?.rounds ?? 0;
    await until(() => (cache.scrub?.rounds ?? 0) > before + 1);
    assert.deepEqual(await cache.store.readAll(digest, 100), bytes);
  });

  it('does not scrub where nobody asks for it', async () => {
    assert.equal((await folder.open()).scrub, undefined);
  });

  it('I07: goes on where the whole folder is deleted, and holds what came after', async () => {
    const cache = await folder.open({ lookEveryMs: 5 });
    await cache.rebuilt;
    const before = Buffer.from('before');
    const after = Buffer.from('after');
    await cache.store.put(digestOfBytes(before), before, undefined);
    await fs.rm(folder.directory, { recursive: true, maxRetries: 9 });
    assert.equal(await cache.store.readAll(digestOfBytes(before), 100), undefined);
    const isThere = (name: string): Promise<boolean> =>
      fs.stat(path.join(folder.directory, name)).then(
        () => true,
        () => false,
      );
    // The lock is looked at every two seconds.
    for (const name of ['VERSION', 'generation', 'lock', 'index.v1.sqlite']) await until(() => isThere(name));
    await until(() => cache.store.fault === undefined);
    await cache.store.put(digestOfBytes(after), after, undefined);
    await cache.facts.set('link', 'a', 1);
    await cache.close();
    const again = await folder.open();
    assert.deepEqual(await again.store.readAll(digestOfBytes(after), 100), after);
    assert.equal(await again.facts.get('link', 'a'), 1);
    assert.deepEqual(again.store.usage, { bytes: after.length, entries: 1 });
    assert.deepEqual(folder.quarantined, []);
  });
});
