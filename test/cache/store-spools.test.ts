import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
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
    assert.deepEqual(await fs.readdir(path.join(folder.directory, 'spool')), []);
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
});
