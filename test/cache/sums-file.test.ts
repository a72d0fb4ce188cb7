import assert from 'node:assert/strict';
import fs from 'node:fs/promises';
import path from 'node:path';
import { contentFolder, sumsPath } from '../../src/cache/content-paths.js';
import { nodeFileSystem } from '../../src/cache/file-system.js';
import { readSums, writeSums } from '../../src/cache/sums-file.js';
import { type CacheFolder, createCacheFolder } from '../support/cache-folder.js';
import { digestOfBytes } from '../support/memory-store.js';

const SUMS = { sizeBytes: 3, mediaType: 'x/y', storedAt: 9, generation: 'ab'.repeat(16), crcs: Uint32Array.of(7) };

describe('cache/sums-file', () => {
  const digest = digestOfBytes(Buffer.from('abc'));
  let folder: CacheFolder;

  beforeEach(async () => {
    folder = await createCacheFolder();
    await fs.mkdir(path.join(folder.directory, 'spool'));
  });

  afterEach(() => folder.dispose());

  it('reads what was written and renamed', async () => {
    const draft = await writeSums(nodeFileSystem, folder.directory, SUMS, true);
    assert.equal(await readSums(folder.directory, digest), undefined);
    await fs.mkdir(contentFolder(folder.directory, digest), { recursive: true });
    await fs.rename(draft, sumsPath(folder.directory, digest));
    assert.deepEqual(await readSums(folder.directory, digest), SUMS);
    await fs.truncate(sumsPath(folder.directory, digest), 10);
    assert.equal(await readSums(folder.directory, digest), undefined);
  });

  it('leaves nothing behind where the bytes do not reach the disk', async () => {
    const failing = { ...nodeFileSystem, dataSync: () => Promise.reject(new Error('EIO')) };
    await assert.rejects(writeSums(failing, folder.directory, SUMS, true), /EIO/);
    assert.deepEqual(await fs.readdir(path.join(folder.directory, 'spool')), []);
  });
});
