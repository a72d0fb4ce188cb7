import assert from 'node:assert/strict';
import fs from 'node:fs/promises';
import path from 'node:path';
import { keepScrubPosition, readScrubPosition } from '../../src/cache/scrub-position.js';
import type { Digest } from '../../src/oci/digest.js';
import { createTempDir, type TempDir } from '../support/temp-dir.js';

describe('cache/scrub-position', () => {
  const digest = `sha256:${'ab'.repeat(32)}` as Digest;
  let folder: TempDir;
  beforeEach(async () => {
    folder = await createTempDir();
  });
  afterEach(() => folder.remove());

  it('keeps a digest, and the beginning', async () => {
    assert.equal(await readScrubPosition(folder.path), undefined);
    await keepScrubPosition(folder.path, digest);
    assert.equal(await readScrubPosition(folder.path), digest);
    await keepScrubPosition(folder.path, undefined);
    assert.equal(await readScrubPosition(folder.path), undefined);
    assert.deepEqual(await fs.readdir(folder.path), ['scrub-position']);
  });

  it('begins anew where the file is damaged, and does without one that cannot be written', async () => {
    await fs.writeFile(path.join(folder.path, 'scrub-position'), '../../etc/passwd');
    assert.equal(await readScrubPosition(folder.path), undefined);
    await keepScrubPosition(path.join(folder.path, 'none'), digest);
    assert.deepEqual(await fs.readdir(folder.path), ['scrub-position']);
  });
});
