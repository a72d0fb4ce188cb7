import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs/promises';
import { contentPath } from '../../src/cache/content-paths.js';
import type { Cache } from '../../src/cache/open-cache.js';
import type { VerifyProgress } from '../../src/cache/verify.js';
import type { Digest } from '../../src/oci/digest.js';
import { type CacheFolder, createCacheFolder } from '../support/cache-folder.js';
import { digestOfBytes } from '../support/memory-store.js';

describe('cache/verify', () => {
  let folder: CacheFolder;
  let cache: Cache;
  let contents: Map<Digest, Buffer>;

  beforeEach(async () => {
    folder = await createCacheFolder();
    cache = await folder.open();
    contents = new Map();
    for (let n = 0; n < 20; n += 1) {
      const bytes = randomBytes(50_000 + n);
      contents.set(digestOfBytes(bytes), bytes);
      await cache.store.put(digestOfBytes(bytes), bytes, undefined);
    }
  });
  afterEach(() => folder.dispose());

  async function damage(digest: Digest | undefined): Promise<Digest> {
    assert.ok(digest);
    const bytes = Buffer.from(contents.get(digest) ?? '');
    bytes[7] = (bytes[7] ?? 0) ^ 1;
    await fs.writeFile(contentPath(folder.directory, digest), bytes);
    return digest;
  }

  it('I08: hashes everything, takes what is bad away and tells how far it is', async () => {
    const [first, second] = [...contents.keys()];
    const wrong = [await damage(first), await damage(second)];
    const heard: VerifyProgress[] = [];
    const result = await cache.verify({ onProgress: (progress) => heard.push(progress) });
    assert.equal(result.checked, 20);
    assert.equal(result.bad, 2);
    assert.deepEqual(result.badDigests.toSorted(), wrong.toSorted());
    assert.equal(
      result.checkedBytes,
      [...contents.values()].reduce((sum, { length }) => sum + length, 0),
    );
    assert.equal(result.aborted, false);
    assert.equal(result.share, 1);
    assert.equal(heard.length, 20);
    const shares = heard.map(({ share }) => share);
    assert.deepEqual(
      shares,
      shares.toSorted((a, b) => a - b),
    );
    for (const digest of wrong) assert.equal(await cache.store.lookup(digest), undefined);
    assert.equal(cache.store.usage.entries, 18);
    assert.equal((await cache.verify()).bad, 0);
  });

  it('checks the digests that it is given, and counts those that are not there', async () => {
    const [first, second] = [...contents.keys()];
    assert.ok(first && second);
    const absent = digestOfBytes(Buffer.from('absent'));
    await damage(second);
    const { checked, bad, missing, share } = await cache.verify({ digests: [first, absent] });
    assert.deepEqual({ checked, bad, missing, share }, { checked: 2, bad: 0, missing: 1, share: 1 });
  });

  it('ends where it is told to', async () => {
    const stop = new AbortController();
    const result = await cache.verify({
      signal: stop.signal,
      onProgress: ({ checked }) => checked === 5 && stop.abort(),
    });
    assert.equal(result.aborted, true);
    assert.equal(result.checked, 5);
    assert.ok(result.share < 1);
  });

  it('finds content that no row tells of, and makes it count again', async () => {
    const [digest] = [...contents.keys()];
    assert.ok(digest);
    await cache.close();
    await fs.rm(`${contentPath(folder.directory, digest)}.sum`);
    for (const name of await fs.readdir(folder.directory)) {
      if (name.startsWith('index')) await fs.rm(`${folder.directory}/${name}`);
    }
    const again = await folder.open();
    await again.rebuilt;
    assert.equal(await again.store.lookup(digest), undefined);
    await again.verify();
    assert.equal((await again.store.lookup(digest))?.sizeBytes, contents.get(digest)?.length);
    assert.equal(again.store.usage.entries, 20);
  });
});
