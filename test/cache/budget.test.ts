import assert from 'node:assert/strict';
import fs from 'node:fs/promises';
import path from 'node:path';
import { type BudgetOptions, createBudget, type Space } from '../../src/cache/budget.js';
import { nodeFileSystem } from '../../src/cache/file-system.js';
import { OpenSpools } from '../../src/cache/open-spools.js';
import { type CacheFolder, createCacheFolder } from '../support/cache-folder.js';

describe('cache/budget', () => {
  let folder: CacheFolder;
  let spools: OpenSpools;
  let elapsed: number;
  let freeBytes: number | undefined;
  let totalBytes: number | undefined;

  beforeEach(async () => {
    folder = await createCacheFolder();
    spools = new OpenSpools();
    elapsed = 0;
    freeBytes = 50_000;
    totalBytes = 100_000;
  });

  afterEach(() => folder.dispose());

  async function known(bytes: number | undefined): Promise<number> {
    if (bytes === undefined) throw new Error('not known here');
    return bytes;
  }

  function budget(options: BudgetOptions) {
    return createBudget({
      ...options,
      files: { ...nodeFileSystem, freeBytes: () => known(freeBytes), totalBytes: () => known(totalBytes) },
      directory: folder.directory,
      spools,
      contentBytes: () => 10_000,
      elapsedMs: () => elapsed,
    });
  }

  it('is a size, or a share of the file system, of which content and promises are taken', async () => {
    spools.add(1000);
    const used = { usedBytes: 11_000, diskRoomBytes: 49_000 };
    const inBytes = budget({ maxSize: { bytes: 30_000 } });
    assert.equal(inBytes.last, undefined);
    assert.deepEqual(await inBytes.measure(), {
      budgetBytes: 30_000,
      budgetRoomBytes: 19_000,
      ...used,
    } satisfies Space);
    assert.deepEqual(inBytes.last, await inBytes.measure());
    const share = await budget({ maxSize: { share: 0.8 } }).measure();
    assert.deepEqual(share, { budgetBytes: 80_000, budgetRoomBytes: 69_000, ...used });
  });

  it('leaves free on the disk what is to be left free, by size or by share', async () => {
    assert.equal((await budget({ minFree: { share: 0.1 } }).measure()).diskRoomBytes, 40_000);
    assert.equal((await budget({ minFree: { bytes: 60_000 } }).measure()).diskRoomBytes, -10_000);
  });

  it('counts what is promised and not written as taken from the disk, and what is written once', async () => {
    const reservation = spools.add(1000);
    reservation.writtenBytes = () => 400;
    assert.equal((await budget({}).measure()).diskRoomBytes, 49_400);
  });

  it('counts files besides content, and looks at them anew after ten seconds', async () => {
    const one = budget({ maxSize: { bytes: 30_000 } });
    assert.equal((await one.measure()).usedBytes, 10_000);
    await fs.writeFile(path.join(folder.directory, 'facts.log'), 'x');
    elapsed = 9_999;
    assert.equal((await one.measure()).usedBytes, 10_000);
    elapsed = 10_000;
    assert.equal((await one.measure()).usedBytes, 14_096);
  });

  it('has no limit where none is set and the file system says nothing', async () => {
    freeBytes = undefined;
    totalBytes = undefined;
    const space = await budget({ minFree: { share: 0.05 } }).measure();
    assert.equal(space.budgetBytes, Number.POSITIVE_INFINITY);
    assert.equal(space.budgetRoomBytes, Number.POSITIVE_INFINITY);
    assert.equal(space.diskRoomBytes, Number.POSITIVE_INFINITY);
  });
});
