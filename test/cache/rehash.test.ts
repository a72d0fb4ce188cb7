import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import { nodeFileSystem } from '../../src/cache/file-system.js';
import { rehash } from '../../src/cache/rehash.js';
import { RunningSums } from '../../src/cache/sums.js';
import { type CacheFolder, createCacheFolder } from '../support/cache-folder.js';
import { digestOfBytes } from '../support/memory-store.js';

describe('cache/rehash', () => {
  let folder: CacheFolder;
  beforeEach(async () => {
    folder = await createCacheFolder();
  });
  afterEach(() => folder.dispose());

  it('takes digest and sums of a file of any length', async () => {
    for (const length of [0, 1, 1024 * 1024, 1024 * 1024 + 1, 2_500_000]) {
      const bytes = randomBytes(length);
      const file = path.join(folder.directory, String(length));
      await fs.writeFile(file, bytes);
      const fd = await nodeFileSystem.open(file, constants.O_RDONLY);
      const sums = new RunningSums();
      sums.update(bytes);
      const right = { matches: true, sizeBytes: length, crcs: sums.crcs() };
      assert.deepEqual(await rehash(nodeFileSystem, fd, digestOfBytes(bytes)), right);
      assert.equal((await rehash(nodeFileSystem, fd, digestOfBytes(Buffer.from('else')))).matches, false);
      await nodeFileSystem.close(fd);
    }
  });
});
