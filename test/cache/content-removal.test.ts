import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import { contentPath, sumsPath } from '../../src/cache/content-paths.js';
import { nodeFileSystem } from '../../src/cache/file-system.js';
import { readFrom } from '../contract/cache-store.js';
import { type CacheFolder, createCacheFolder } from '../support/cache-folder.js';
import { digestOfBytes } from '../support/memory-store.js';

describe('cache/content-removal', () => {
  const bytes = randomBytes(900_000);
  const digest = digestOfBytes(bytes);
  let folder: CacheFolder;

  beforeEach(async () => {
    folder = await createCacheFolder();
  });

  afterEach(() => folder.dispose());

  it('does not let a reader of an old damaged file take the new one away', async () => {
    const { store } = await folder.open();
    await store.put(digest, bytes, undefined);
    const early = await store.open(digest);
    assert.ok(early);
    await fs.truncate(contentPath(folder.directory, digest), 600_000);
    assert.equal(await store.open(digest), undefined);
    await store.put(digest, bytes, undefined);
    await assert.rejects(early.read(800_000, 10), { code: 'content-damaged' });
    early.close();
    assert.deepEqual(await readFrom(store, digest, 0), bytes);
    assert.equal((await fs.readdir(path.join(folder.directory, 'quarantine'))).length, 1);
  });

  it('drops the row of content whose file is gone', async () => {
    const { store } = await folder.open();
    await store.put(digest, bytes, undefined);
    await fs.rm(contentPath(folder.directory, digest));
    assert.notEqual(await store.lookup(digest), undefined);
    assert.equal(await store.open(digest), undefined);
    assert.equal(await store.lookup(digest), undefined);
    assert.deepEqual(store.usage, { bytes: 0, entries: 0 });
  });

  it('leaves nothing of removed content on the disk, and keeps the row where the file cannot be removed', async () => {
    let stuck = true;
    const refusal = Object.assign(new Error('x'), { code: 'EROFS' });
    const { store } = await folder.open({
      files: { ...nodeFileSystem, unlink: (file) => (stuck ? Promise.reject(refusal) : nodeFileSystem.unlink(file)) },
    });
    await store.put(digest, bytes, undefined);
    await assert.rejects(store.remove(digest), { code: 'store' });
    assert.equal(store.fault, 'cannot remove content: EROFS');
    assert.deepEqual(await readFrom(store, digest, 0), bytes);
    stuck = false;
    await store.remove(digest);
    await assert.rejects(fs.stat(contentPath(folder.directory, digest)), { code: 'ENOENT' });
    await assert.rejects(fs.stat(sumsPath(folder.directory, digest)), { code: 'ENOENT' });
  });

  it('removes four files side by side at most, however many are to go', async () => {
    let running = 0;
    let most = 0;
    const { store } = await folder.open({
      files: {
        ...nodeFileSystem,
        async unlink(file) {
          running += 1;
          most = Math.max(most, running);
          await nodeFileSystem.unlink(file);
          running -= 1;
        },
      },
    });
    const digests = Array.from({ length: 20 }, (_, n) => Buffer.from(`content ${n}`)).map((content) => {
      return { content, digest: digestOfBytes(content) };
    });
    for (const one of digests) await store.put(one.digest, one.content, undefined);
    most = 0;
    await Promise.all(digests.map((one) => store.remove(one.digest)));
    assert.equal(most, 4);
    assert.deepEqual(store.usage, { bytes: 0, entries: 0 });
  });
});
