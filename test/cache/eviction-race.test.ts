import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { Cache } from '../../src/cache/open-cache.js';
import type { Digest } from '../../src/oci/digest.js';
import { type CacheFolder, createCacheFolder } from '../support/cache-folder.js';
import { digestOfBytes } from '../support/memory-store.js';

const LAYERS = 12;
const LAYER_BYTES = 1_500_000;
const READERS = 32;
const FILLS = 8;
const ROUNDS = 12;
/** Three layers with their sums, and some for the index and the log. */
const BUDGET_BYTES = 3 * (LAYER_BYTES + 12_288) + 1_500_000;

describe('cache: eviction under load', () => {
  const layers = new Map<Digest, Buffer>();
  let folder: CacheFolder;
  let cache: Cache;
  let evicted = 0;

  before(async () => {
    for (let n = 0; n < LAYERS; n += 1) {
      const bytes = randomBytes(LAYER_BYTES);
      layers.set(digestOfBytes(bytes), bytes);
    }
    folder = await createCacheFolder();
    cache = await folder.open({
      room: { maxSize: { bytes: BUDGET_BYTES } },
      events: { ...folder.events, evicted: ({ entries }) => (evicted += entries) },
    });
    await cache.rebuilt;
  });

  after(() => folder.dispose());

  function pick(): Digest {
    return [...layers.keys()][Math.floor(Math.random() * LAYERS)] as Digest;
  }

  /** As a fill does: what there is no room for is not stored, and nothing else goes wrong. */
  async function fill(digest: Digest): Promise<'stored' | 'no room'> {
    const bytes = layers.get(digest) as Buffer;
    try {
      const spool = await cache.store.createSpool(bytes.length, digest);
      try {
        for (let at = 0; at < bytes.length; at += 300_000) await spool.append(bytes.subarray(at, at + 300_000));
        await spool.commit(digest, undefined);
        return 'stored';
      } finally {
        await spool.close();
      }
    } catch (error) {
      assert.match((error as Error).message, /has no room/);
      return 'no room';
    }
  }

  async function read(digest: Digest): Promise<'read' | 'not held'> {
    const reader = await cache.store.open(digest);
    if (reader === undefined) return 'not held';
    const bytes = layers.get(digest) as Buffer;
    try {
      let at = 0;
      for (let piece = await reader.read(at, 200_000); piece !== undefined; piece = await reader.read(at, 200_000)) {
        assert.ok(bytes.subarray(at, at + piece.bytes.byteLength).equals(piece.bytes));
        at += piece.bytes.byteLength;
        piece.release();
      }
      assert.equal(at, bytes.length);
      return 'read';
    } finally {
      reader.close();
    }
  }

  it('I13: gives every byte right to 32 readers while 8 fills fight for room for three layers', async () => {
    const counts: Record<string, number> = {};
    const count = (outcome: string): void => {
      counts[outcome] = (counts[outcome] ?? 0) + 1;
    };
    const readers = Array.from({ length: READERS }, async () => {
      for (let n = 0; n < ROUNDS; n += 1) count(await read(pick()));
    });
    const fills = Array.from({ length: FILLS }, async () => {
      for (let n = 0; n < ROUNDS; n += 1) count(await fill(pick()));
    });
    await Promise.all([...readers, ...fills]);
    await cache.tend();
    assert.ok(
      (counts['read'] ?? 0) > 0 && (counts['stored'] ?? 0) > 3 && evicted > 0,
      JSON.stringify({ ...counts, evicted }),
    );
    assert.ok(cache.store.usage.bytes <= BUDGET_BYTES);
    assert.ok(cache.space && cache.space.usedBytes <= BUDGET_BYTES);
    const { entries } = await cache.inventory.list({ order: 'size', limit: LAYERS });
    assert.equal(entries.length, cache.store.usage.entries);
    for (const { digest } of entries) assert.equal(await read(digest), 'read');
    assert.deepEqual(folder.quarantined, []);
    assert.deepEqual(folder.faults, []);
  });
});
