import assert from 'node:assert/strict';
import type { EntryOrder, Index, Inventory, StoredEntry } from '../../src/cache/contract.js';
import { Entries } from '../../src/cache/entries.js';
import { createInventory } from '../../src/cache/entry-listing.js';
import { createFaultBoard } from '../../src/cache/fault-board.js';
import { openKeyvIndex } from '../../src/cache/keyv-index.js';
import { type CacheFolder, createCacheFolder } from '../support/cache-folder.js';
import { digestOfBytes } from '../support/memory-store.js';

const COUNT = 250;

describe('cache/entry-listing', () => {
  let folder: CacheFolder;
  let index: Index;
  let entries: Entries;
  let inventory: Inventory;

  before(async () => {
    folder = await createCacheFolder();
    index = await openKeyvIndex(folder.directory, createFaultBoard(folder.events), false);
    entries = new Entries(index);
    await entries.load(() => false);
    inventory = createInventory({ entries, index, loaded: Promise.resolve(), refreshPins: async () => {} });
    const all = Array.from({ length: COUNT }, (_, n) => ({
      digest: digestOfBytes(Buffer.from(String(n))),
      // Many of one size and of one time, so that pages end among equals.
      sizeBytes: n % 7,
      mediaType: undefined,
      storedAt: 1_700_000_000_000 + (n % 5) * 1000,
    }));
    await Promise.all(all.map((entry) => entries.remember(entry)));
  });

  after(async () => {
    await index.close();
    await folder.dispose();
  });

  async function listAll(order: EntryOrder, limit: number): Promise<StoredEntry[]> {
    const listed: StoredEntry[] = [];
    let after: string | undefined;
    do {
      const page = await inventory.list({ order, limit, ...(after !== undefined && { after }) });
      assert.ok(page.entries.length <= limit);
      listed.push(...page.entries);
      after = page.next;
    } while (after !== undefined);
    return listed;
  }

  for (const limit of [1, 7, 50, COUNT, 1000]) {
    it(`lists every entry once in each order, in pages of ${limit}`, async () => {
      const digests = await listAll('digest', limit);
      assert.equal(digests.length, COUNT);
      assert.deepEqual(
        digests,
        digests.toSorted((a, b) => (a.digest < b.digest ? -1 : 1)),
      );
      const sizes = await listAll('size', limit);
      assert.deepEqual(
        sizes,
        digests.toSorted((a, b) => b.sizeBytes - a.sizeBytes),
      );
      const uses = await listAll('used', limit);
      assert.deepEqual(
        uses,
        digests.toSorted((a, b) => a.usedAt - b.usedAt),
      );
    });
  }

  it('goes on behind an entry that is gone by then, and begins anew with a cursor of nonsense', async () => {
    const first = await inventory.list({ order: 'digest', limit: 10 });
    const gone = first.entries.at(-1);
    assert.ok(gone);
    await entries.forget(gone.digest);
    for (const order of ['digest', 'size', 'used'] as const) {
      const rest = await inventory.list({ order, limit: COUNT, after: 'nonsense' });
      assert.ok(order === 'digest' || rest.entries.length === COUNT - 1);
    }
    const next = await inventory.list({ order: 'digest', limit: COUNT, ...(first.next && { after: first.next }) });
    assert.equal(next.entries.length, COUNT - 10);
    await entries.remember(gone);
  });

  it('describes one entry, and nothing that is not held', async () => {
    const { entries: some } = await inventory.list({ order: 'size', limit: 1 });
    assert.ok(some[0]);
    assert.deepEqual(await inventory.describe(some[0].digest), some[0]);
    assert.equal(await inventory.describe(digestOfBytes(Buffer.from('no'))), undefined);
  });
});
