import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import type { CacheStore } from '../../src/cache/contract.js';
import { nodeFileSystem } from '../../src/cache/file-system.js';
import { type CacheFolder, createCacheFolder } from '../support/cache-folder.js';
import { digestOfBytes } from '../support/memory-store.js';

describe('cache/store-spools', () => {
  const bytes = randomBytes(900_000);
  const digest = digestOfBytes(bytes);
  let folder: CacheFolder;

  beforeEach(async () => {
    folder = await createCacheFolder();
  });

  afterEach(() => folder.dispose());

  it('reports a full disk, and that it works again', async () => {
    let full = true;
    const { store } = await folder.open({
      files: {
        ...nodeFileSystem,
        writeAt: (...call) =>
          full ? Promise.reject(Object.assign(new Error('x'), { code: 'ENOSPC' })) : nodeFileSystem.writeAt(...call),
      },
    });
    await assert.rejects(store.put(digest, bytes, undefined), { code: 'store' });
    assert.equal(store.fault, 'cannot write to the spool: ENOSPC');
    // The guard of the folder tries a small write of its own at times.
    while ((await fs.readdir(path.join(folder.directory, 'spool'))).length > 0);
    full = false;
    await store.put(digest, bytes, undefined);
    assert.equal(store.fault, undefined);
  });

  it('refuses a spool that the disk has no room for', async () => {
    const { store } = await folder.open({ files: { ...nodeFileSystem, freeBytes: async () => 999 } });
    await assert.rejects(store.createSpool(1_000), { code: 'store', message: /has no room for 1000 bytes/ });
    const spool = await store.createSpool(999);
    await spool.close();
  });

  describe('that are kept', () => {
    const SIZE = 3 * 1024 * 1024;
    const layer = randomBytes(SIZE);
    const layerDigest = digestOfBytes(layer);

    async function keep(store: CacheStore): Promise<void> {
      const spool = await store.createSpool(SIZE, layerDigest, 'here');
      await spool.append(layer.subarray(0, SIZE / 2));
      await spool.keep?.();
    }

    it('go on once, in their scope, and become content', async () => {
      const { store } = await folder.open();
      await keep(store);
      assert.equal(await store.takeKept?.(layerDigest, 'there'), undefined);
      const spool = await store.takeKept?.(layerDigest, 'here');
      assert.equal(await store.takeKept?.(layerDigest, 'here'), undefined);
      assert.deepEqual([spool?.writtenBytes, spool?.expectedBytes], [SIZE / 2, SIZE]);
      const parts: Buffer[] = [];
      await spool?.replay((part) => void parts.push(Buffer.from(part)));
      assert.ok(Buffer.concat(parts).equals(layer.subarray(0, SIZE / 2)));
      await spool?.append(layer.subarray(SIZE / 2));
      await spool?.commit(layerDigest, undefined);
      await spool?.close();
      assert.ok((await store.readAll(layerDigest, SIZE))?.equals(layer));
      assert.deepEqual(await fs.readdir(path.join(folder.directory, 'spool')), []);
    });

    it('go first when there is no room', async () => {
      const spoolFolder = path.join(folder.directory, 'spool');
      const freeBytes = async (): Promise<number> => ((await fs.readdir(spoolFolder)).length > 0 ? 999 : 10 * SIZE);
      const cache = await folder.open({ files: { ...nodeFileSystem, freeBytes } });
      await keep(cache.store);
      assert.equal(cache.kept.bytes, SIZE / 2);
      const spool = await cache.store.createSpool(1_000_000, digest, 'here');
      assert.deepEqual(cache.kept, { bytes: 0, entries: 0 });
      await spool.close();
    });

    it('take a tenth of the budget at most', async () => {
      const large = await folder.open({ room: { maxSize: { bytes: 20 * SIZE } } });
      await keep(large.store);
      assert.deepEqual(large.kept, { bytes: SIZE / 2, entries: 1 });
      await large.close();
      const small = await folder.open({ room: { maxSize: { bytes: 4 * SIZE } } });
      assert.deepEqual(small.kept, { bytes: 0, entries: 0 });
    });

    it('are gone where their file is', async () => {
      const { store } = await folder.open();
      await keep(store);
      await fs.rm(path.join(folder.directory, 'spool'), { recursive: true });
      assert.equal(await store.takeKept?.(layerDigest, 'here'), undefined);
    });
  });
});
