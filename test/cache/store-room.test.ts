import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import type { EvictionRound } from '../../src/cache/contract.js';
import { nodeFileSystem } from '../../src/cache/file-system.js';
import type { Cache } from '../../src/cache/open-cache.js';
import type { RoomOptions } from '../../src/cache/store-room.js';
import type { Digest } from '../../src/oci/digest.js';
import { readFrom } from '../contract/cache-store.js';
import { type CacheFolder, createCacheFolder } from '../support/cache-folder.js';
import { digestOfBytes } from '../support/memory-store.js';

const LAYER_BYTES = 1_000_000;
/** Twenty layers with their sums, and some for the index. */
const TWENTY = { bytes: 22_000_000 };

describe('cache/store-room', () => {
  let folder: CacheFolder;
  let rounds: EvictionRound[];

  beforeEach(async () => {
    folder = await createCacheFolder();
    rounds = [];
  });

  afterEach(() => folder.dispose());

  async function open(room: RoomOptions, diskBytes?: number): Promise<Cache> {
    const events = { ...folder.events, evicted: (round: EvictionRound) => rounds.push(round) };
    const files = diskBytes === undefined ? nodeFileSystem : smallDisk(diskBytes);
    const cache = await folder.open({ room, events, files });
    // Nothing is evicted before all of the folder is known.
    await cache.rebuilt;
    return cache;
  }

  /** A file system of a size, with nothing on it but the folder's content. */
  function smallDisk(diskBytes: number): typeof nodeFileSystem {
    const usedBytes = async (): Promise<number> => {
      let bytes = 0;
      for (const entry of await fs.readdir(folder.directory, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile() || entry.name.startsWith('index')) continue;
        bytes += await fs.stat(path.join(entry.parentPath, entry.name)).then(
          ({ size }) => size,
          () => 0,
        );
      }
      return bytes;
    };
    return {
      ...nodeFileSystem,
      totalBytes: async () => diskBytes,
      freeBytes: async () => diskBytes - (await usedBytes()),
    };
  }

  async function putLayers({ store }: Cache, count: number): Promise<Digest[]> {
    const digests: Digest[] = [];
    for (let n = 0; n < count; n += 1) {
      const bytes = randomBytes(LAYER_BYTES);
      digests.push((await store.put(digestOfBytes(bytes), bytes, undefined)).digest);
    }
    return digests;
  }

  async function held({ store }: Cache, digests: readonly Digest[]): Promise<boolean[]> {
    return Promise.all(digests.map(async (digest) => (await store.lookup(digest)) !== undefined));
  }

  it('stays within a budget of bytes, files and all', async () => {
    const cache = await open({ maxSize: TWENTY });
    await putLayers(cache, 60);
    await cache.tend();
    assert.ok(cache.store.usage.bytes >= 10 * LAYER_BYTES, String(cache.store.usage.bytes));
    assert.ok(cache.space && cache.space.usedBytes <= TWENTY.bytes);
    assert.equal(cache.store.usage.entries, 60 - rounds.reduce((sum, { entries }) => sum + entries, 0));
    const names = await fs.readdir(path.join(folder.directory, 'blobs'), { recursive: true });
    assert.equal(names.filter((name) => name.length > 66).length, 2 * cache.store.usage.entries);
  });

  it('keeps the share of the file system free, whatever the budget says', async () => {
    const cache = await open({ maxSize: { share: 1 }, minFree: { share: 0.5 } }, 20_000_000);
    await putLayers(cache, 30);
    assert.ok(cache.store.usage.bytes <= 10_000_000);
    assert.ok(cache.store.usage.bytes >= 5_000_000);
    assert.equal(cache.store.fault, undefined);
  });

  it('evicts nothing that is pinned or being read, and says that there is no room instead', async () => {
    const cache = await open({ maxSize: TWENTY });
    const [pinned, read] = await putLayers(cache, 6);
    assert.ok(pinned && read);
    await cache.pins.pin(pinned, false);
    const reader = await cache.store.open(read);
    assert.ok(reader);
    await putLayers(cache, 60);
    assert.deepEqual(await held(cache, [pinned, read]), [true, true]);
    const fillAndPin = async (): Promise<void> => {
      for (let n = 0; n < 30; n += 1) {
        for (const digest of await putLayers(cache, 1)) await cache.pins.pin(digest, false);
      }
    };
    await assert.rejects(fillAndPin(), {
      code: 'store',
      message: /has no room for 1000000 bytes: nothing that may be evicted/,
    });
    assert.equal(cache.store.fault, undefined);
    assert.deepEqual(await held(cache, [pinned, read]), [true, true]);
    reader.close();
  });

  it('gives nothing from memory of what it has evicted', async () => {
    const cache = await folder.open({ room: { maxSize: TWENTY, maxAgeMs: 1 }, hotBytes: 1_000_000 });
    await cache.rebuilt;
    const small = Buffer.from('a manifest');
    const { digest } = await cache.store.put(digestOfBytes(small), small, 'x/y');
    assert.deepEqual(await readFrom(cache.store, digest, 0), small);
    // Uses are kept to the second, so by now it was used in another one, or will be.
    while (await cache.store.lookup(digest)) await cache.tend();
    assert.equal(await cache.store.open(digest), undefined);
    assert.equal(await cache.store.readAll(digest, 100), undefined);
    assert.deepEqual(cache.store.usage, { bytes: 0, entries: 0 });
    await cache.store.put(digest, small, 'x/y');
    assert.deepEqual(await readFrom(cache.store, digest, 0), small);
  });

  it('takes what is larger than the budget for nothing to store, and evicts nothing for it', async () => {
    const cache = await open({ maxSize: TWENTY });
    const digests = await putLayers(cache, 10);
    await assert.rejects(cache.store.createSpool(TWENTY.bytes + 1), { message: /larger than the store may be/ });
    assert.deepEqual(
      await held(cache, digests),
      digests.map(() => true),
    );
    assert.equal(cache.store.fault, undefined);
  });

  it('lets large content push out other content only when it is asked for a second time', async () => {
    const cache = await open({ maxSize: TWENTY });
    const digests = await putLayers(cache, 19);
    const large = randomBytes(12 * LAYER_BYTES);
    await assert.rejects(cache.store.put(digestOfBytes(large), large, undefined), { message: /asked for twice/ });
    assert.ok((await held(cache, digests)).filter(Boolean).length >= 17);
    await cache.store.put(digestOfBytes(large), large, undefined);
    assert.deepEqual(await readFrom(cache.store, digestOfBytes(large), 0), large);
    assert.ok(cache.space && cache.space.usedBytes <= TWENTY.bytes);
  });

  it('asks for more room while content of unknown length comes, and ends the spool where there is none', async () => {
    const cache = await open({ maxSize: { bytes: 200_000_000 } }, 150_000_000);
    const spool = await cache.store.createSpool(undefined);
    const piece = Buffer.alloc(LAYER_BYTES);
    await spool.append(piece);
    assert.ok(cache.space);
    await assert.rejects(
      (async () => {
        for (;;) await spool.append(piece);
      })(),
      { code: 'store', message: /has no room/ },
    );
    assert.ok(spool.writtenBytes >= 60_000_000 && spool.writtenBytes < 150_000_000);
    await spool.close();
  });

  it('evicts what nobody used for too long, and nothing else', async () => {
    const cache = await open({ maxAgeMs: 3_600_000 });
    const [old, used, pinned] = await putLayers(cache, 3);
    assert.ok(old && used && pinned);
    await cache.close();
    const day = 24 * 3_600_000;
    const realNow = Date.now;
    try {
      Date.now = () => realNow() + day;
      const later = await open({ maxAgeMs: 3_600_000 });
      await later.pins.pin(pinned, false);
      await readFrom(later.store, used, 0);
      await later.tend();
      assert.deepEqual(await held(later, [old, used, pinned]), [false, true, true]);
      assert.deepEqual(
        rounds.map(({ reason, entries, bytes }) => [reason, entries, bytes]),
        [['age', 1, LAYER_BYTES]],
      );
      await later.close();
    } finally {
      Date.now = realNow;
    }
  });

  it('I16: evicts nothing because the clock was set forward by a year while it runs', async () => {
    const cache = await open({ maxAgeMs: 3_600_000 });
    const digests = await putLayers(cache, 3);
    const realNow = Date.now;
    try {
      Date.now = () => realNow() + 365 * 24 * 3_600_000;
      await cache.tend();
      assert.deepEqual(await held(cache, digests), [true, true, true]);
    } finally {
      Date.now = realNow;
    }
  });

  it('evicts nothing without a budget, however little room there is', async () => {
    const cache = await folder.open({ files: smallDisk(10_000_000) });
    const digests = await putLayers(cache, 9);
    await assert.rejects(cache.store.createSpool(2_000_000), { message: /has no room/ });
    assert.match(cache.store.fault ?? '', /has no room/);
    assert.deepEqual(
      await held(cache, digests),
      digests.map(() => true),
    );
  });
});
