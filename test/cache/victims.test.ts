import assert from 'node:assert/strict';
import { Catalogue } from '../../src/cache/catalogue.js';
import { createVictims } from '../../src/cache/victims.js';
import type { Digest } from '../../src/oci/digest.js';
import { digestOfBytes } from '../support/memory-store.js';

const NOW = 1_700_000_000_000;
const HOUR = 3_600_000;
const MIB = 1024 * 1024;

describe('cache/victims', () => {
  let catalogue: Catalogue;
  let isKnown: boolean;

  beforeEach(() => {
    catalogue = new Catalogue();
    isKnown = true;
  });

  function add(name: string, sizeBytes: number, idleHours: number, marks: { uses?: number; pinned?: boolean } = {}) {
    const { uses = 1, pinned = false } = marks;
    const digest = digestOfBytes(Buffer.from(name));
    const entry = { digest, sizeBytes, mediaType: undefined, storedAt: 0 };
    catalogue.set(entry, { usedAt: NOW - idleHours * HOUR, uses }, { pinned });
    return digest;
  }

  function victims(maxAgeMs?: number) {
    return createVictims({ catalogue, now: () => NOW, maxAgeMs, prepare: async () => isKnown });
  }

  const digests = (found: readonly { digest: Digest }[]): Digest[] => found.map(({ digest }) => digest);

  it('names for room what deserves it most first, and nothing that is pinned', async () => {
    const large = add('large', 500 * MIB, 5);
    const popular = add('popular', 500 * MIB, 5, { uses: 4 });
    const small = add('small', 2000, 48);
    const stale = add('stale', 500 * MIB, 50);
    add('pinned', 500 * MIB, 100, { pinned: true });
    assert.deepEqual(digests(await victims().forRoom()), [stale, large, popular, small]);
  });

  it('keeps a thousand small contents where one large one has to go', async () => {
    for (let n = 0; n < 1000; n += 1) add(`small ${n}`, 50_000, 24);
    const large = add('large', 20 * 1024 * MIB, 1);
    assert.equal(digests(await victims().forRoom())[0], large);
  });

  it('names for age what was unused for longer, the longest first, and nothing where no age is set', async () => {
    const older = add('older', 10, 30);
    const old = add('old', 10, 25);
    add('young', 10, 23);
    add('pinned', 10, 99, { pinned: true });
    assert.deepEqual(digests(await victims(24 * HOUR).forAge()), [older, old]);
    assert.deepEqual(await victims().forAge(), []);
  });

  it('names nothing while it is not known what is pinned', async () => {
    add('old', 10, 99);
    isKnown = false;
    assert.deepEqual(await victims(HOUR).forAge(), []);
    assert.deepEqual(await victims(HOUR).forRoom(), []);
  });
});
