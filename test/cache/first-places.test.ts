import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { Catalogue } from '../../src/cache/catalogue.js';
import { firstPlaces } from '../../src/cache/first-places.js';
import { digestOfBytes } from '../support/memory-store.js';

describe('cache/first-places', () => {
  it('gives the first of all entries in order, after any place, without those that have no rank', async () => {
    const sizes = fc.array(fc.nat(20), { maxLength: 80 });
    await fc.assert(
      fc.asyncProperty(sizes, fc.integer({ min: 1, max: 12 }), fc.nat(80), async (ranks, limit, skip) => {
        const catalogue = new Catalogue();
        const all = ranks.map((sizeBytes, n) => ({ sizeBytes, digest: digestOfBytes(Buffer.from(String(n))) }));
        for (const { sizeBytes, digest } of all) {
          const entry = { digest, sizeBytes, mediaType: undefined, storedAt: 0 };
          catalogue.set(entry, { usedAt: 0, uses: 1 }, { pinned: false });
        }
        const places = all
          .filter(({ sizeBytes }) => sizeBytes !== 7)
          .map(({ sizeBytes, digest }) => ({ rank: sizeBytes, digest, sizeBytes }))
          .toSorted((a, b) => a.rank - b.rank || (a.digest < b.digest ? -1 : 1));
        const rankOf = ({ sizeBytes }: { sizeBytes: number }) => (sizeBytes === 7 ? undefined : sizeBytes);
        const found = await firstPlaces(catalogue, limit, rankOf, places[skip]);
        const expected = places[skip] === undefined ? places : places.slice(skip + 1);
        assert.deepEqual(found, expected.slice(0, limit));
      }),
    );
  });
});
