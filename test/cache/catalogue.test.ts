import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Catalogue } from '../../src/cache/catalogue.js';
import { footprintBytes } from '../../src/cache/footprint.js';
import { type Digest, type DigestAlgorithm, digestOf } from '../../src/oci/digest.js';

function digestFor(n: number, algorithm: DigestAlgorithm = 'sha256'): Digest {
  return digestOf(algorithm, createHash(algorithm).update(String(n)).digest('hex'));
}

function entryFor(n: number, mediaType?: string, algorithm?: DigestAlgorithm) {
  return { digest: digestFor(n, algorithm), sizeBytes: n, mediaType, storedAt: 1_700_000_000_123 + n };
}

const USE = { usedAt: 1_700_000_000_000, uses: 1 };
const UNPINNED = { pinned: false };

describe('cache/catalogue', () => {
  let catalogue: Catalogue;

  beforeEach(() => {
    catalogue = new Catalogue();
  });

  it('gives back entries of both algorithms, with and without a media type', async () => {
    const entries = [entryFor(1), entryFor(2, 'x/y'), entryFor(3, 'x/y', 'sha512'), entryFor(4, undefined, 'sha512')];
    for (const entry of entries) catalogue.set(entry, USE, UNPINNED);
    for (const entry of entries) assert.deepEqual(catalogue.get(entry.digest), entry);
    const walked: Digest[] = [];
    await catalogue.walk((held) => walked.push(held.digest) > 0);
    assert.deepEqual(walked.toSorted(), entries.map(({ digest }) => digest).toSorted());
    assert.equal(catalogue.get(digestFor(5)), undefined);
  });

  it('takes a digest for another that has the same first half', () => {
    const { digest } = entryFor(1, undefined, 'sha512');
    catalogue.set(entryFor(1, undefined, 'sha512'), USE, UNPINNED);
    const lookalike = digestOf('sha256', digest.slice(7, 71));
    assert.equal(catalogue.get(lookalike), undefined);
  });

  it('counts bytes, entries and what they take on the disk', () => {
    catalogue.set(entryFor(10), USE, UNPINNED);
    catalogue.set(entryFor(9000), USE, UNPINNED);
    catalogue.set({ ...entryFor(10), sizeBytes: 12 }, USE, UNPINNED);
    assert.deepEqual(catalogue.totals, { bytes: 9012, entries: 2 });
    assert.equal(catalogue.footprintBytes, footprintBytes(12) + footprintBytes(9000));
    catalogue.delete(digestFor(9000));
    catalogue.delete(digestFor(9000));
    catalogue.delete(digestFor(10));
    assert.deepEqual(catalogue.totals, { bytes: 0, entries: 0 });
    assert.equal(catalogue.footprintBytes, 0);
  });

  it('notes the last use to the second, and counts one use in a minute', () => {
    const { digest } = entryFor(1);
    catalogue.set(entryFor(1), USE, UNPINNED);
    catalogue.touch(digest, USE.usedAt + 59_999);
    assert.deepEqual(catalogue.use(digest), { usedAt: USE.usedAt + 59_000, uses: 1 });
    catalogue.touch(digest, USE.usedAt + 119_000);
    assert.deepEqual(catalogue.use(digest), { usedAt: USE.usedAt + 119_000, uses: 2 });
    catalogue.touch(digestFor(2), USE.usedAt);
    assert.equal(catalogue.use(digestFor(2)), undefined);
  });

  it('marks an entry, and forgets the marks with it', async () => {
    const { digest } = entryFor(1);
    catalogue.set(entryFor(1), USE, { pinned: true });
    assert.equal(catalogue.describe(digest)?.pinned, true);
    catalogue.mark(digest, 'pinned', false);
    catalogue.mark(digest, 'unsaved', true);
    const walked: boolean[][] = [];
    await catalogue.walk(({ pinned, unsaved }) => walked.push([pinned, unsaved]) > 0);
    assert.deepEqual(walked, [[false, true]]);
    catalogue.delete(digest);
    assert.equal(catalogue.describe(digest), undefined);
    catalogue.mark(digest, 'pinned', true);
  });

  it('walks over thousands of entries, each once, until it is told to end', async () => {
    for (let n = 0; n < 10_000; n += 1) catalogue.set(entryFor(n), USE, UNPINNED);
    const sizes = new Set<number>();
    await catalogue.walk(({ sizeBytes }) => sizes.add(sizeBytes).size > 0);
    assert.equal(sizes.size, 10_000);
    let walked = 0;
    await catalogue.walk(() => {
      walked += 1;
      return walked < 7;
    });
    assert.equal(walked, 7);
  });
});
