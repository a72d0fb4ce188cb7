import assert from 'node:assert/strict';
import fs from 'node:fs/promises';
import path from 'node:path';
import { contentPath } from '../../src/cache/content-paths.js';
import { walkContent } from '../../src/cache/rebuild.js';
import type { Digest } from '../../src/oci/digest.js';
import { type CacheFolder, createCacheFolder } from '../support/cache-folder.js';
import { digestOfBytes } from '../support/memory-store.js';

describe('cache/rebuild', () => {
  let folder: CacheFolder;
  let stored: Digest[];

  beforeEach(async () => {
    folder = await createCacheFolder();
    stored = Array.from({ length: 300 }, (_, n) => digestOfBytes(Buffer.from(String(n))));
    for (const digest of stored) {
      const file = contentPath(folder.directory, digest);
      await fs.mkdir(path.dirname(file), { recursive: true });
      await fs.writeFile(file, '');
      await fs.writeFile(`${file}.sum`, '');
    }
  });

  afterEach(() => folder.dispose());

  it('finds every content file once, and nothing else', async () => {
    await fs.writeFile(path.join(folder.directory, 'blobs', 'stranger'), '');
    await fs.mkdir(path.join(folder.directory, 'blobs', 'sha256', 'zz'));
    await fs.writeFile(path.join(folder.directory, 'blobs', 'sha256', 'file'), '');
    const seen: Digest[] = [];
    assert.equal(
      await walkContent(
        folder.directory,
        async (digest) => seen.push(digest),
        () => false,
      ),
      true,
    );
    assert.deepEqual(seen.sort(), stored.sort());
  });

  it('stops where it is told to', async () => {
    let seen = 0;
    const whole = await walkContent(
      folder.directory,
      async () => (seen += 1),
      () => seen >= 10,
    );
    assert.equal(whole, false);
    assert.ok(seen >= 10 && seen < stored.length);
  });

  it('has nothing to do in an empty folder', async () => {
    assert.equal(await walkContent(path.join(folder.directory, 'none'), assert.fail, () => false), true);
  });
});
