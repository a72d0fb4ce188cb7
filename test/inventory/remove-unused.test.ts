import assert from 'node:assert/strict';
import { removeDigest, removeUnused } from '../../src/inventory/remove-unused.js';
import { createStage, HOUR, type Stage } from './stage.js';

describe('inventory/remove-unused', () => {
  let stage: Stage;
  beforeEach(() => {
    stage = createStage();
  });

  async function fill(count: number): Promise<void> {
    for (let n = 0; n < count; n += 1) {
      await stage.put('a.test x', Buffer.from(String(n).padStart(100)));
      stage.time += HOUR;
    }
  }

  it('removes what nobody used for so long, and its links', async () => {
    await fill(8);
    const report = await removeUnused(stage, { unusedMs: 3 * HOUR }, false, 800, {});
    assert.deepEqual(report.removed, { entries: 5, bytes: 500 });
    assert.equal(stage.memory.usage.entries, 3);
    assert.equal((await stage.facts.page('link', { prefix: 'a.test ', limit: 99 })).length, 3);
  });

  it('removes the longest unused until the store is small enough, and no more', async () => {
    await fill(8);
    const report = await removeUnused(stage, { toBytes: 250 }, false, 800, {});
    assert.deepEqual(report.removed, { entries: 6, bytes: 600 });
    const left = await stage.inventory.list({ order: 'used', limit: 9 });
    assert.ok(left.entries.every(({ usedAt }) => usedAt >= stage.time - 2 * HOUR));
    assert.equal((await removeUnused(stage, { toBytes: 250 }, false, 200, {})).removed.entries, 0);
    assert.equal((await removeUnused(stage, { toBytes: 0 }, false, 200, {})).removed.entries, 2);
  });

  it('keeps what is pinned, and goes on to the next', async () => {
    await fill(3);
    const [oldest] = (await stage.inventory.list({ order: 'used', limit: 1 })).entries;
    assert.ok(oldest);
    stage.pins.add(oldest.digest);
    const report = await removeUnused(stage, { toBytes: 200 }, false, 300, {});
    assert.equal(report.pinned.entries, 1);
    assert.equal(report.removed.entries, 1);
    assert.equal(await stage.holds(oldest.digest), true);
  });

  it('tells in a dry run what it would remove, many pages of it', async () => {
    await fill(1_200);
    const report = await removeUnused(stage, { unusedMs: HOUR * 100 }, true, 120_000, {});
    assert.equal(report.removed.entries, 1_100);
    assert.equal(stage.memory.usage.entries, 1_200);
  });

  it('ends when it is told to, and says so', async () => {
    await fill(100);
    const ending = new AbortController();
    const report = await removeUnused(stage, { toBytes: 0 }, false, 10_000, {
      signal: ending.signal,
      onProgress: () => ending.abort(),
    });
    assert.equal(report.aborted, true);
    assert.equal(report.removed.entries, 64);
  });

  it('removes one digest and nothing else, unless it is pinned or too young', async () => {
    const image = await stage.image('a.test x', 'v1', ['a']);
    const { digest } = image;
    assert.equal((await removeDigest(stage, { digest, unusedMs: HOUR }, false))?.used.entries, 1);
    stage.pins.add(digest);
    assert.equal((await removeDigest(stage, { digest }, false))?.pinned.entries, 1);
    stage.pins.delete(digest);
    assert.equal((await removeDigest(stage, { digest }, true))?.removed.entries, 1);
    assert.equal(await stage.holds(digest), true);
    assert.equal((await removeDigest(stage, { digest }, false))?.removed.entries, 1);
    assert.equal(await removeDigest(stage, { digest }, false), undefined);
    assert.equal(stage.memory.usage.entries, 2);
  });
});
