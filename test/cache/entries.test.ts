import assert from 'node:assert/strict';
import type { Index } from '../../src/cache/contract.js';
import { Entries } from '../../src/cache/entries.js';
import { createFaultBoard } from '../../src/cache/fault-board.js';
import { openKeyvIndex } from '../../src/cache/keyv-index.js';
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

  it('knows rows and totals of an earlier run', async () => {
    await new Entries(index).remember(entry);
    const blob = { ...entry, digest: digestOfBytes(Buffer.from('b')), mediaType: undefined };
    await new Entries(index).remember(blob);
    const entries = new Entries(index);
    await entries.load();
    assert.deepEqual(entries.usage, { bytes: 20, entries: 2 });
    assert.equal(entries.hot(digest), undefined);
    assert.deepEqual(await entries.recall(digest), entry);
    assert.deepEqual(entries.hot(digest), entry);
    assert.deepEqual(await entries.find(blob.digest), blob);
  });

  it('takes a row that makes no sense for none', async () => {
    for (const row of [null, 7, {}, { sizeBytes: -1, storedAt: 1 }, { sizeBytes: 1, storedAt: 1, mediaType: 5 }]) {
      await index.set('entry', digest, row);
      assert.equal(await new Entries(index).find(digest), undefined);
    }
  });
});
