import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import { contentPath, sumsPath } from '../../src/cache/content-paths.js';
import type { CacheStore } from '../../src/cache/contract.js';
import { readFrom } from '../contract/cache-store.js';
import { type CacheFolder, createCacheFolder } from '../support/cache-folder.js';
import { digestOfBytes } from '../support/memory-store.js';

describe('cache/disk-store', () => {
  const bytes = randomBytes(900_000);
  const digest = digestOfBytes(bytes);
  let folder: CacheFolder;
  let file: string;

  beforeEach(async () => {
    folder = await createCacheFolder();
    file = contentPath(folder.directory, digest);
  });

  afterEach(() => folder.dispose());

  function quarantine(): Promise<string[]> {
    return fs.readdir(path.join(folder.directory, 'quarantine'));
  }

  async function assertGone(store: CacheStore): Promise<void> {
    assert.equal(await store.lookup(digest), undefined);
    assert.equal(await store.open(digest), undefined);
    assert.deepEqual(store.usage, { bytes: 0, entries: 0 });
    assert.equal((await quarantine()).length, 1);
    assert.equal(folder.quarantined.length, 1);
    await store.put(digest, bytes, undefined);
    assert.deepEqual(await readFrom(store, digest, 0), bytes);
  }

  for (const at of [0, 262_143, 262_144, 500_000, 899_999]) {
    it(`quarantines content with a bit flipped at byte ${at}, and can store it again`, async () => {
      const { store } = await folder.open();
      await store.put(digest, bytes, undefined);
      const handle = await fs.open(file, 'r+');
      await handle.write(Buffer.of((bytes[at] ?? 0) ^ 4), 0, 1, at);
      await handle.close();
      await assert.rejects(readFrom(store, digest, 0), { code: 'content-damaged' });
      await assertGone(store);
    });
  }

  const wrongFiles: [string, () => Promise<void>][] = [
    ['truncated', () => fs.truncate(file, 500_000)],
    ['grown', () => fs.appendFile(file, 'more')],
    ['emptied', () => fs.truncate(file, 0)],
    ['turned into a folder', () => fs.rm(file).then(() => fs.mkdir(file))],
    ['turned into a link', () => fs.rename(file, `${file}.x`).then(() => fs.symlink(`${file}.x`, file))],
  ];
  for (const [what, change] of wrongFiles) {
    it(`does not serve content that was ${what}`, async () => {
      const { store } = await folder.open();
      await store.put(digest, bytes, undefined);
      await change();
      assert.equal(await store.open(digest), undefined);
      assert.equal(await store.lookup(digest), undefined);
      assert.deepEqual(store.usage, { bytes: 0, entries: 0 });
      assert.equal((await quarantine()).length, 1);
      await store.put(digest, bytes, undefined);
      assert.deepEqual(await readFrom(store, digest, 0), bytes);
    });
  }

  it('quarantines content whose file was swapped for another of the same size', async () => {
    const { store } = await folder.open();
    const other = randomBytes(bytes.length);
    await store.put(digest, bytes, undefined);
    await store.put(digestOfBytes(other), other, undefined);
    await readFrom(store, digest, 0);
    await fs.rename(contentPath(folder.directory, digestOfBytes(other)), file);
    await assert.rejects(readFrom(store, digest, 0), { code: 'content-damaged' });
    assert.equal(await store.lookup(digest), undefined);
  });

  it('takes damaged content for not held where it is read whole', async () => {
    const { store } = await folder.open();
    await store.put(digest, bytes, undefined);
    const handle = await fs.open(file, 'r+');
    await handle.write(Buffer.alloc(100), 0, 100, 700_000);
    await handle.close();
    assert.equal(await store.readAll(digest, 1_000_000), undefined);
    await assertGone(store);
  });

  it('hashes content whose sums are lost, then serves it', async () => {
    const { store } = await folder.open();
    await store.put(digest, bytes, 'x/y');
    await fs.rm(sumsPath(folder.directory, digest));
    assert.deepEqual(await readFrom(store, digest, 0), bytes);
    assert.equal((await store.lookup(digest))?.mediaType, 'x/y');
    await fs.stat(sumsPath(folder.directory, digest));
  });

  it('goes on where the folders were deleted or replaced by a file', async () => {
    const { store } = await folder.open();
    for (const name of ['blobs', 'spool']) {
      await fs.rm(path.join(folder.directory, name), { recursive: true });
      await fs.writeFile(path.join(folder.directory, name), '');
    }
    await assert.rejects(store.put(digest, bytes, undefined), { code: 'store' });
    assert.match(store.fault ?? '', /ENOTDIR/);
    assert.equal(await store.lookup(digest), undefined);
    for (const name of ['blobs', 'spool']) await fs.rm(path.join(folder.directory, name));
    await store.put(digest, bytes, undefined);
    assert.equal(store.fault, undefined);
    assert.deepEqual(await readFrom(store, digest, 0), bytes);
  });

  it('answers a hot lookup without index and disk', async () => {
    const cache = await folder.open();
    const entry = await cache.store.put(digest, bytes, 'x/y');
    await cache.close();
    await fs.rm(folder.directory, { recursive: true });
    assert.deepEqual(await cache.store.lookup(digest), entry);
  });

  it('gives small content that was asked for before without the disk, and nothing of it once it is removed', async () => {
    const small = Buffer.from('a manifest');
    const smallDigest = digestOfBytes(small);
    const { store } = await folder.open({ hotBytes: 100_000 });
    await store.put(smallDigest, small, 'x/y');
    assert.deepEqual(await readFrom(store, smallDigest, 0), small);
    const path = contentPath(folder.directory, smallDigest);
    await fs.rename(path, `${path}.away`);
    assert.deepEqual(await readFrom(store, smallDigest, 0), small);
    await store.remove(smallDigest);
    assert.equal(await store.open(smallDigest), undefined);
  });

  it('quarantines small content that was damaged before it was asked for', async () => {
    const small = Buffer.from('a manifest');
    const smallDigest = digestOfBytes(small);
    const { store } = await folder.open({ hotBytes: 100_000 });
    await store.put(smallDigest, small, 'x/y');
    await fs.writeFile(contentPath(folder.directory, smallDigest), 'A manifest');
    assert.equal(await store.open(smallDigest), undefined);
    assert.equal((await quarantine()).length, 1);
    assert.equal(store.fault, undefined);
  });
});
