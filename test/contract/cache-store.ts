import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import type { CacheStore } from '../../src/cache/contract.js';
import { ProxyError } from '../../src/errors.js';
import { type Digest, digestOf } from '../../src/oci/digest.js';
import { digestOfBytes } from '../support/memory-store.js';

const MEDIA_TYPE = 'application/vnd.oci.image.manifest.v1+json';

/** A store for one test, and how to get rid of it. */
export interface StoreUnderTest {
  readonly store: CacheStore;
  dispose(): Promise<void>;
}

/** What every CacheStore promises, whatever it keeps its bytes in. */
export function describeCacheStore(name: string, create: () => Promise<StoreUnderTest>): void {
  describe(`${name} keeps the contract of a cache store`, () => {
    let held: StoreUnderTest;
    let store: CacheStore;

    beforeEach(async () => {
      held = await create();
      store = held.store;
    });

    afterEach(() => held.dispose());

    it('does not hold what was never stored', async () => {
      const digest = digestOfBytes(Buffer.from('nothing'));
      assert.equal(await store.lookup(digest), undefined);
      assert.equal(await store.open(digest), undefined);
      assert.equal(await store.readAll(digest, 1_000), undefined);
      assert.deepEqual(store.usage, { bytes: 0, entries: 0 });
      await store.remove(digest);
    });

    it('gives back what was put, with its media type', async () => {
      const bytes = Buffer.from('{"schemaVersion":2}');
      const digest = digestOfBytes(bytes);
      const before = Date.now();
      const entry = await store.put(digest, bytes, MEDIA_TYPE);
      assert.equal(entry.digest, digest);
      assert.equal(entry.sizeBytes, bytes.length);
      assert.equal(entry.mediaType, MEDIA_TYPE);
      assert.ok(entry.storedAt >= before && entry.storedAt <= Date.now());
      assert.deepEqual(await store.lookup(digest), entry);
      assert.deepEqual(await store.readAll(digest, bytes.length), bytes);
      assert.equal(await store.readAll(digest, bytes.length - 1), undefined);
      assert.deepEqual(store.usage, { bytes: bytes.length, entries: 1 });
      assert.equal(store.fault, undefined);
    });

    it('learns the media type of content that first came as a blob, and forgets none', async () => {
      const bytes = Buffer.from('{"schemaVersion":2,"first":"as a blob"}');
      const digest = digestOfBytes(bytes);
      const first = await store.put(digest, bytes, undefined);
      assert.equal(first.mediaType, undefined);
      assert.equal((await store.put(digest, bytes, MEDIA_TYPE)).mediaType, MEDIA_TYPE);
      assert.deepEqual(await store.lookup(digest), { ...first, mediaType: MEDIA_TYPE });
      assert.equal((await store.put(digest, bytes, undefined)).mediaType, MEDIA_TYPE);
      assert.deepEqual(await store.readAll(digest, bytes.length), bytes);
      assert.deepEqual(store.usage, { bytes: bytes.length, entries: 1 });
    });

    it('holds empty content', async () => {
      const digest = digestOfBytes(Buffer.alloc(0));
      assert.equal((await store.put(digest, Buffer.alloc(0), undefined)).sizeBytes, 0);
      assert.deepEqual(await store.readAll(digest, 0), Buffer.alloc(0));
      const reader = await store.open(digest);
      assert.equal(reader?.sizeBytes, 0);
      assert.equal(await reader?.read(0, 10), undefined);
      reader?.close();
    });

    it('stores sha512 content', async () => {
      const bytes = Buffer.from('long digest');
      const digest = digestOf('sha512', createHash('sha512').update(bytes).digest('hex'));
      await store.put(digest, bytes, undefined);
      assert.deepEqual(await store.readAll(digest, 100), bytes);
    });

    it('reads any part of what was spooled, before and after the commit', async () => {
      const bytes = randomBytes(1_300_001);
      const digest = digestOfBytes(bytes);
      const spool = await store.createSpool(bytes.length);
      for (let at = 0; at < bytes.length; at += 77_777) await spool.append(bytes.subarray(at, at + 77_777));
      assert.equal(spool.writtenBytes, bytes.length);
      assert.equal(await store.lookup(digest), undefined);
      const part = Buffer.alloc(1_000);
      assert.equal(await spool.read(part, 500_000), 1_000);
      assert.deepEqual(part, bytes.subarray(500_000, 501_000));
      assert.equal(await spool.read(part, bytes.length - 10), 10);
      assert.equal(await spool.read(part, bytes.length), 0);

      const entry = await spool.commit(digest, undefined);
      assert.deepEqual(entry, await store.lookup(digest));
      assert.equal(await spool.read(part, 1), 1_000);
      assert.deepEqual(part, bytes.subarray(1, 1_001));
      await spool.close();
      await spool.close();
      assert.deepEqual(await readFrom(store, digest, 0), bytes);
      assert.deepEqual(await readFrom(store, digest, 262_143), bytes.subarray(262_143));
      assert.deepEqual(await readFrom(store, digest, 1_300_000), bytes.subarray(1_300_000));
      assert.deepEqual(await readFrom(store, digest, 1_300_001), Buffer.alloc(0));
    });

    it('gives no more than it is asked for', async () => {
      const bytes = randomBytes(600_000);
      const digest = digestOfBytes(bytes);
      await store.put(digest, bytes, undefined);
      const reader = await store.open(digest);
      assert.ok(reader);
      for (const [offset, maxBytes] of [
        [0, 1],
        [262_143, 2],
        [262_144, 262_144],
        [599_999, 5],
      ] as const) {
        const piece = await reader.read(offset, maxBytes);
        assert.ok(piece && piece.bytes.byteLength >= 1 && piece.bytes.byteLength <= maxBytes);
        assert.deepEqual(Buffer.from(piece.bytes), bytes.subarray(offset, offset + piece.bytes.byteLength));
        piece.release();
      }
      reader.close();
      reader.close();
    });

    it('holds nothing of a spool that was closed without a commit', async () => {
      const spool = await store.createSpool(undefined);
      await spool.append(Buffer.from('abandoned'));
      await spool.close();
      assert.equal(await store.lookup(digestOfBytes(Buffer.from('abandoned'))), undefined);
      assert.deepEqual(store.usage, { bytes: 0, entries: 0 });
      await assert.rejects(spool.append(Buffer.from('x')), (error) => error instanceof ProxyError);
    });

    it('keeps the first entry where content is committed again', async () => {
      const bytes = Buffer.from('same bytes');
      const digest = digestOfBytes(bytes);
      const first = await store.put(digest, bytes, MEDIA_TYPE);
      assert.deepEqual(await store.put(digest, bytes, 'text/plain'), first);
      assert.deepEqual(store.usage, { bytes: bytes.length, entries: 1 });
    });

    it('survives concurrent commits of the same digest', async () => {
      const bytes = randomBytes(300_000);
      const digest = digestOfBytes(bytes);
      const spools = await Promise.all(Array.from({ length: 8 }, () => store.createSpool(bytes.length)));
      await Promise.all(spools.map((spool) => spool.append(bytes)));
      const entries = await Promise.all(spools.map((spool) => spool.commit(digest, undefined)));
      for (const entry of entries) assert.deepEqual(entry, entries[0]);
      const back = Buffer.alloc(bytes.length);
      for (const spool of spools) {
        assert.equal(await spool.read(back, 0), bytes.length);
        assert.deepEqual(back, bytes);
        await spool.close();
      }
      assert.deepEqual(store.usage, { bytes: bytes.length, entries: 1 });
      assert.deepEqual(await readFrom(store, digest, 0), bytes);
    });

    it('forgets what is removed, while open readers go on', async () => {
      const bytes = randomBytes(700_000);
      const digest = digestOfBytes(bytes);
      await store.put(digest, bytes, undefined);
      const reader = await store.open(digest);
      assert.ok(reader);
      await store.remove(digest);
      assert.equal(await store.lookup(digest), undefined);
      assert.equal(await store.open(digest), undefined);
      assert.deepEqual(store.usage, { bytes: 0, entries: 0 });
      const piece = await reader.read(600_000, 1_000);
      assert.deepEqual(Buffer.from(piece?.bytes ?? []), bytes.subarray(600_000, 601_000));
      piece?.release();
      reader.close();
      await store.put(digest, bytes, undefined);
      assert.deepEqual(await readFrom(store, digest, 0), bytes);
    });
  });
}

/** Reads a body from an offset to its end. */
export async function readFrom(store: CacheStore, digest: Digest, offset: number): Promise<Buffer> {
  const reader = await store.open(digest);
  assert.ok(reader, 'the content is held');
  const parts: Buffer[] = [];
  try {
    let at = offset;
    for (;;) {
      const piece = await reader.read(at, Number.MAX_SAFE_INTEGER);
      if (piece === undefined) return Buffer.concat(parts);
      parts.push(Buffer.from(piece.bytes));
      at += piece.bytes.byteLength;
      piece.release();
    }
  } finally {
    reader.close();
  }
}
