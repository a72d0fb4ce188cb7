import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import { contentPath } from '../../src/cache/content-paths.js';
import { walkDigests, walkedShare, walkOrder } from '../../src/cache/content-walk.js';
import { type Digest, parseDigest } from '../../src/oci/digest.js';
import { createTempDir, type TempDir } from '../support/temp-dir.js';

describe('cache/content-walk', () => {
  let folder: TempDir;
  let stored: Digest[];

  beforeEach(async () => {
    folder = await createTempDir();
    stored = [];
    for (let n = 0; n < 400; n += 1) {
      const algorithm = n % 4 === 0 ? 'sha512' : 'sha256';
      const digest = parseDigest(`${algorithm}:${createHash(algorithm).update(String(n)).digest('hex')}`);
      assert.ok(digest);
      stored.push(digest);
      const file = contentPath(folder.path, digest);
      await fs.mkdir(path.dirname(file), { recursive: true });
      await fs.writeFile(file, '');
      await fs.writeFile(`${file}.sum`, '');
    }
    stored.sort((a, b) => (walkOrder(a) < walkOrder(b) ? -1 : 1));
  });
  afterEach(() => folder.remove());

  async function walk(after?: Digest): Promise<Digest[]> {
    const seen: Digest[] = [];
    for await (const step of walkDigests(folder.path, after)) seen.push(...step);
    return seen;
  }

  it('gives every content file once, both algorithms in one order', async () => {
    assert.deepEqual(await walk(), stored);
  });

  it('goes on behind a digest, held or not', async () => {
    for (const at of [0, 199, 399]) assert.deepEqual(await walk(stored[at]), stored.slice(at + 1));
    const between = parseDigest(`sha256:${'80'.repeat(32)}`);
    assert.ok(between);
    const behind = await walk(between);
    assert.deepEqual(
      behind,
      stored.filter((digest) => walkOrder(digest) > walkOrder(between)),
    );
    assert.ok(behind.length > 0 && behind.length < stored.length);
  });

  it('tells how far it has come by the digest alone', () => {
    assert.equal(walkedShare(`sha256:${'00'.repeat(32)}` as Digest), 0);
    assert.equal(walkedShare(`sha512:80${'00'.repeat(63)}` as Digest), 0.5);
    const shares = stored.map(walkedShare);
    assert.deepEqual(
      shares,
      shares.toSorted((a, b) => a - b),
    );
    assert.ok(shares.every((share) => share >= 0 && share < 1));
  });

  it('leaves out what cannot be read', async () => {
    await fs.writeFile(path.join(folder.path, 'blobs', 'sha256', 'zz'), '');
    await fs.rm(path.join(folder.path, 'blobs', 'sha512'), { recursive: true });
    await fs.writeFile(path.join(folder.path, 'blobs', 'sha512'), '');
    assert.deepEqual(
      await walk(),
      stored.filter((digest) => digest.startsWith('sha256')),
    );
  });
});
