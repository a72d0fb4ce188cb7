import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import path from 'node:path';
import { KeyvSqlite } from '@keyv/sqlite';
import type { StoreEvents } from '../../src/cache/contract.js';
import { createFaultBoard } from '../../src/cache/fault-board.js';
import { openKeyvIndex } from '../../src/cache/keyv-index.js';
import { type Cache, openCache } from '../../src/cache/open-cache.js';
import type { InventoryOperations } from '../../src/inventory/contract.js';
import { createLocalInventory } from '../../src/inventory/local-inventory.js';
import { type Digest, digestOf } from '../../src/oci/digest.js';
import { digestOfBytes } from '../support/memory-store.js';
import { createTempDir, type TempDir } from '../support/temp-dir.js';

const ENTRIES = 100_000;
const IMAGES = 300;
const LAYERS = IMAGES * 10;
const TAGS = 3_000;
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip';
const EVENTS: StoreEvents = { fault: () => {}, quarantined: () => {}, rebuilt: () => {} };

function numbered(n: number): Digest {
  return digestOf('sha256', createHash('sha256').update(`entry ${n}`).digest('hex'));
}

function scopeOf(n: number): string {
  return `registry.test team${n % 50}/app${n}`;
}

/** Everything of a listing, page by page. */
async function pages<T>(
  pageAt: (cursor: string | undefined) => Promise<{ readonly items: readonly T[]; readonly next?: string | undefined }>,
): Promise<{ readonly items: T[]; readonly largest: number }> {
  const items: T[] = [];
  let largest = 0;
  let cursor: string | undefined;
  do {
    const page = await pageAt(cursor);
    largest = Math.max(largest, page.items.length);
    items.push(...page.items);
    cursor = page.next;
  } while (cursor !== undefined);
  return { items, largest };
}

describe('inventory of 100,000 entries', () => {
  let temp: TempDir;
  let cache: Cache;
  let inventory: InventoryOperations;

  before(async function () {
    this.timeout(120_000);
    temp = await createTempDir();
    // The rows alone: the files of a hundred thousand contents would take minutes, and no listing looks at them.
    await (await openCache({ directory: temp.path, events: EVENTS })).close();
    const adapter = new KeyvSqlite({ uri: `sqlite://${path.join(temp.path, 'index.v1.sqlite')}`, table: 'keyv' });
    await adapter.query(
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${ENTRIES - LAYERS})
       INSERT INTO keyv (key, value) SELECT 'entry:sha256:' || lower(hex(randomblob(32))),
       json_object('value', json_object('sizeBytes', 1000 + i, 'storedAt', 1700000000000 + i * 1000)) FROM n`,
    );
    await adapter.query("DELETE FROM keyv WHERE key = 'meta:totals'");
    await adapter.disconnect();
    const index = await openKeyvIndex(temp.path, createFaultBoard(EVENTS), false);
    const row = { sizeBytes: 1_000, storedAt: 1_700_000_000_000 };
    await Promise.all(Array.from({ length: LAYERS }, (_, n) => index.set('entry', numbered(n), row)));
    await index.close();
    cache = await openCache({ directory: temp.path, events: EVENTS });
    inventory = createLocalInventory(cache);
    await Promise.all(Array.from({ length: IMAGES }, (_, n) => addImage(n)));
    const gone = Array.from({ length: TAGS }, (_, n) => `registry.test gone/app:${n}`);
    await Promise.all(gone.map((key, n) => cache.facts.set('tag', key, { digest: numbered(LAYERS + n), at: 1 })));
  });

  after(async () => {
    await cache.close();
    await temp.remove();
  });

  /** An image of ten layers, whose configuration is that of all of its team; every tenth has no tag. */
  async function addImage(n: number): Promise<void> {
    const configBytes = Buffer.from(JSON.stringify({ os: 'linux', architecture: 'amd64', team: n % 50 }));
    const shared = digestOfBytes(configBytes);
    if (n < 50) await cache.store.put(shared, configBytes, undefined);
    const digests = [shared, ...Array.from({ length: 10 }, (_, m) => numbered(n * 10 + m))];
    const [config, ...layers] = digests.map((digest, m) => ({ mediaType: LAYER, digest, size: 1_000 + m }));
    const document = { schemaVersion: 2, mediaType: MANIFEST, config, layers, annotations: { n: String(n) } };
    const bytes = Buffer.from(JSON.stringify(document));
    const digest = digestOfBytes(bytes);
    await cache.store.put(digest, bytes, MANIFEST);
    const link = { deliveredAt: 1, confirmedAt: 1 };
    const parts = [digest, ...digests];
    await Promise.all(parts.map((part) => cache.facts.set('link', `${scopeOf(n)} ${part}`, link)));
    await Promise.all(parts.map((part) => cache.facts.set('link', part, [scopeOf(n)])));
    if (n % 10 !== 0) await cache.facts.set('tag', `${scopeOf(n)}:v1`, { digest, at: 1 });
  }

  for (const sort of ['digest', 'size', 'used'] as const) {
    it(`K06: lists all contents by ${sort}, once each and in order, a thousand at a time`, async function () {
      this.timeout(120_000);
      const { items, largest } = await pages(async (cursor) => {
        const page = await inventory.blobs({ sort, limit: 1_000, ...(cursor === undefined ? {} : { cursor }) });
        return { items: page.blobs, next: page.next };
      });
      assert.equal(largest, 1_000);
      assert.equal(new Set(items.map(({ digest }) => digest)).size, ENTRIES + IMAGES + 50);
      const ranks = items.map(({ digest, sizeBytes, usedAt }) =>
        sort === 'digest' ? digest : sort === 'size' ? -sizeBytes : usedAt,
      );
      assert.ok(ranks.every((rank, n) => n === 0 || (ranks[n - 1] ?? rank) <= rank));
    });
  }

  it('K06: lists images, past tags of which nothing is held', async function () {
    this.timeout(60_000);
    const { items, largest } = await pages(async (cursor) => {
      const page = await inventory.images({ limit: 40, ...(cursor === undefined ? {} : { cursor }) });
      return { items: page.images, next: page.next };
    });
    assert.ok(largest <= 40);
    assert.equal(new Set(items.map(({ image }) => image)).size, IMAGES);
    assert.equal(items.filter(({ tag }) => tag === undefined).length, IMAGES / 10);
    assert.ok(items.every(({ heldParts }) => heldParts === 12));
  });

  it('tells what removing a registry would take, without changing anything', async function () {
    this.timeout(60_000);
    const report = await inventory.remove({ registry: 'registry.test' }, true);
    // A manifest and ten layers each, and the fifty configurations that they share.
    assert.equal(report?.removed.entries, IMAGES * 11 + 50);
    assert.equal(report?.tags, IMAGES - IMAGES / 10 + TAGS);
    assert.ok((report?.items.length ?? 0) <= 1_000);
    assert.equal((await inventory.stats()).entries, ENTRIES + IMAGES + 50);
  });

  it('removes an image of many, and keeps what others hold', async function () {
    this.timeout(60_000);
    const report = await inventory.remove({ image: 'registry.test/team7/app7:v1' }, false);
    assert.equal(report?.removed.entries, 11);
    assert.equal(report?.shared.entries, 1);
    assert.match(report?.sharedWith[0] ?? '', /^registry\.test\/team7\/app\d+/);
    assert.equal((await inventory.stats()).entries, ENTRIES + IMAGES + 50 - 11);
  });
});
