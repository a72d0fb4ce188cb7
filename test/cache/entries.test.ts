import assert from 'node:assert/strict';
import type { Index } from '../../src/cache/contract.js';
import { Entries } from '../../src/cache/entries.js';
import { createFaultBoard } from '../../src/cache/fault-board.js';
import { openKeyvIndex } from '../../src/cache/keyv-index.js';
import type { Digest } from '../../src/oci/digest.js';
import { type CacheFolder, createCacheFolder } from '../support/cache-folder.js';
import { digestOfBytes } from '../support/memory-store.js';

describe('cache/entries', () => {
  const digest = digestOfBytes(Buffer.from('a'));
  const entry = { digest, sizeBytes: 10, mediaType: 'x/y', storedAt: 5 };
  let folder: CacheFolder;
  let index: Index;

  beforeEach(async () => {
    folder = await createCacheFolder();
    index = await openKeyvIndex(folder.directory, createFaultBoard(folder.events), false);
  });

  afterEach(async () => {
    await index.close();
    await folder.dispose();
  });

  it('counts each digest once, however often it is remembered and forgotten', async () => {
    const entries = new Entries(index);
    await entries.remember(entry);
    await entries.remember({ ...entry, sizeBytes: 12 });
    assert.deepEqual(entries.usage, { bytes: 12, entries: 1 });
    await entries.forget(digest);
    await entries.forget(digest);
    assert.deepEqual(entries.usage, { bytes: 0, entries: 0 });
    assert.equal(await entries.find(digest), undefined);
  });

  it('knows rows of an earlier run, before and after they were all read', async () => {
    const blob = { ...entry, digest: digestOfBytes(Buffer.from('b')), mediaType: undefined };
    const before = new Entries(index);
    await before.remember(entry);
    await before.remember(blob);
    const entries = new Entries(index);
    assert.equal(entries.hot(digest), undefined);
    assert.deepEqual(await entries.find(digest), entry);
    assert.equal(entries.isCounted, false);
    await entries.load(() => false);
    assert.equal(entries.isLoaded, true);
    assert.deepEqual(entries.usage, { bytes: 20, entries: 2 });
    assert.deepEqual(entries.hot(blob.digest), blob);
  });

  it('has the totals that were left until all rows are read, kept up to date', async () => {
    await new Entries(index).remember(entry);
    await index.keepTotals({ bytes: 10, entries: 1 });
    const entries = new Entries(index);
    await entries.takeTotals();
    assert.deepEqual(entries.usage, { bytes: 10, entries: 1 });
    await entries.remember({ ...entry, digest: digestOfBytes(Buffer.from('b')), sizeBytes: 5 });
    await entries.remember({ ...entry, sizeBytes: 11 });
    assert.deepEqual(entries.usage, { bytes: 16, entries: 2 });
    await entries.forget(digest);
    assert.deepEqual(entries.usage, { bytes: 5, entries: 1 });
    await entries.load(() => false);
    assert.deepEqual(entries.usage, { bytes: 5, entries: 1 });
  });

  it('does not bring back by reading rows what was forgotten or replaced meanwhile', async () => {
    const other = { ...entry, digest: digestOfBytes(Buffer.from('b')) };
    const before = new Entries(index);
    await before.remember(entry);
    await before.remember(other);
    const rows = await index.page('entry', { limit: 10 });
    const entries = new Entries({
      ...index,
      // Rows that were read before both changes, and come after them.
      page: async (_kind, { after }) => (after === undefined ? rows : []),
    });
    await entries.forget(digest);
    await entries.remember({ ...other, sizeBytes: 99 });
    await entries.load(() => false);
    assert.equal(await entries.find(digest), undefined);
    assert.equal(entries.hot(other.digest)?.sizeBytes, 99);
    assert.deepEqual(entries.usage, { bytes: 99, entries: 1 });
  });

  it('waits with the rest of many rows until there is time, and is used meanwhile', async () => {
    const row = { sizeBytes: 1, storedAt: 5 };
    const digests = Array.from({ length: 6000 }, (_, n) => digestOfBytes(Buffer.from(`many ${n}`)));
    await Promise.all(digests.map((one) => index.set('entry', one, row)));
    const entries = new Entries(index);
    let waited = 0;
    await entries.load(
      () => false,
      async () => {
        waited += 1;
        assert.equal(entries.isLoaded, false);
        const last = digests.toSorted().at(-1);
        assert.ok(last);
        assert.equal(entries.hot(last), undefined);
        assert.equal((await entries.find(last))?.sizeBytes, 1);
      },
    );
    assert.equal(waited, 1);
    assert.deepEqual(entries.usage, { bytes: 6000, entries: 6000 });
  });

  it('keeps uses over a restart once they are saved, and takes the time of storing where there are none', async () => {
    let now = 1_800_000_000_000;
    const entries = new Entries(index, () => now);
    await entries.remember({ ...entry, storedAt: now });
    now += 60_000;
    entries.touch(digest);
    await entries.saveUses();
    await index.set('entry', digestOfBytes(Buffer.from('old')), { sizeBytes: 1, storedAt: 1_700_000_000_000 });
    const again = new Entries(index);
    await again.load(() => false);
    assert.deepEqual(again.catalogue.use(digest), { usedAt: now, uses: 2 });
    assert.equal(again.describe(digestOfBytes(Buffer.from('old')))?.usedAt, 1_700_000_000_000);
  });

  it('takes content that is delivered again for used', async () => {
    let time = 1_000_000;
    const entries = new Entries(index, () => time);
    await entries.remember({ ...entry, storedAt: time });
    time += 3_600_000;
    await entries.remember({ ...entry, storedAt: time - 3_600_000 });
    assert.equal(entries.describe(digest)?.usedAt, time);
    assert.deepEqual(entries.catalogue.use(digest), { usedAt: time, uses: 2 });
    const later = new Entries(index);
    await later.load(() => false);
    assert.deepEqual(later.catalogue.use(digest), { usedAt: time, uses: 2 });
  });

  it('writes no row for a use that is saved already, nor for what was forgotten', async () => {
    let writes = 0;
    const set: Index['set'] = (...row) => {
      writes += 1;
      return index.set(...row);
    };
    const entries = new Entries({ ...index, set });
    await entries.remember(entry);
    entries.touch(digest);
    await entries.saveUses();
    assert.equal(writes, 2);
    await entries.saveUses();
    assert.equal(writes, 2);
    entries.touch(digest);
    await entries.forget(digest);
    await entries.saveUses();
    assert.equal(writes, 2);
  });

  it('marks what is pinned, whether it is held already or comes later', async () => {
    const entries = new Entries(index);
    const later = digestOfBytes(Buffer.from('later'));
    await entries.remember(entry);
    await entries.setPinned(new Set([digest, later]));
    await entries.remember({ ...entry, digest: later });
    assert.equal(entries.describe(digest)?.pinned, true);
    assert.equal(entries.describe(later)?.pinned, true);
    await entries.setPinned(new Set([later]));
    assert.equal(entries.describe(digest)?.pinned, false);
    assert.equal(entries.describe(later)?.pinned, true);
  });

  it('lets others run while it marks as many as a pattern may pin', async () => {
    const entries = new Entries(index);
    const many = Array.from({ length: 50_000 }, (_, n) => `sha256:${n.toString(16).padStart(64, '0')}` as Digest);
    let othersRan = 0;
    const counting = setInterval(() => {
      othersRan += 1;
    }, 0);
    await entries.setPinned(new Set(many));
    const whileMarking = othersRan;
    await entries.setPinned(new Set());
    clearInterval(counting);
    assert.ok(whileMarking > 0);
    assert.ok(othersRan > whileMarking);
  });

  it('takes a row that makes no sense for none', async () => {
    for (const row of [null, 7, {}, { sizeBytes: -1, storedAt: 1 }, { sizeBytes: 1, storedAt: 1, mediaType: 5 }]) {
      await index.set('entry', digest, row);
      assert.equal(await new Entries(index).find(digest), undefined);
    }
  });
});
