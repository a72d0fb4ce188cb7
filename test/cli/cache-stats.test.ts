import assert from 'node:assert/strict';
import { cacheStats } from '../../src/cli/cache-stats.js';
import { createAdminStage } from '../admin/admin-stage.js';
import { type CacheStage, createCacheStage } from './cache-stage.js';
import { createFakeIo } from './fake-io.js';

describe('cli/cache-stats', () => {
  let stage: CacheStage;
  before(async () => {
    stage = await createCacheStage();
    await stage.put('a.test x', Buffer.alloc(3_000));
  });
  after(() => stage.close());

  it('tells how much is stored', async () => {
    assert.deepEqual(await stage.run('cache', 'stats'), { code: 0, out: 'stored   2.9 KiB\nentries  1\n', error: '' });
    const { out } = await stage.run('cache', 'stats', '--json');
    const nothing = { bytes: 0, entries: 0 };
    assert.deepEqual(JSON.parse(out), { bytes: 3_000, entries: 1, damaged: 0, quarantine: nothing, kept: nothing });
  });

  it('tells of the budget, of what has happened, and of what is wrong', async () => {
    const stats = {
      ...{ bytes: 1_024, entries: 1, takenBytes: 2_048, budgetBytes: 1_048_576, roomBytes: 1_000 },
      ...{
        evicted: { bytes: 4_096, entries: 3 },
        lastEvictedAt: Date.now() - 300_000,
        damaged: 1,
        rebuildShare: 0.129,
      },
      ...{ quarantine: { bytes: 2_048, entries: 2 }, kept: { bytes: 1_024, entries: 1 } },
      scrub: { share: 0.129, rounds: 0, checked: 7, bad: 1 },
      fault: 'the disk is full',
    };
    const other = await createAdminStage({ inventory: { ...stage.operations, stats: async () => stats } });
    try {
      const io = createFakeIo({ env: { HOME: '/nowhere', ENTREPOT_ADMIN_TOKEN: other.token } });
      await cacheStats.run({ flags: {}, json: false, own: { admin: other.url.href } }, io);
      assert.deepEqual(io.written.out.split('\n').slice(2), [
        'budget      2.0 KiB of 1.0 MiB taken',
        'room        1000 B',
        'evicted     3 contents of 4.0 KiB since the start, the last 5 min ago',
        'damaged     1 content since the start',
        'quarantine  2 files of 2.0 KiB',
        'unfinished  1 download, 1.0 KiB kept',
        'rebuild     12% of the index',
        'scrub       12% of a round, 7 checked, 1 damaged',
        'fault       the disk is full',
        '',
      ]);
    } finally {
      await other.close();
    }
  });

  it('tells of evictions also where nothing was evicted', async () => {
    const nothing = { bytes: 0, entries: 0 };
    const stats = { ...nothing, roomBytes: 9, evicted: nothing, damaged: 0, quarantine: nothing, kept: nothing };
    const other = await createAdminStage({ inventory: { ...stage.operations, stats: async () => stats } });
    try {
      const io = createFakeIo({ env: { HOME: '/nowhere', ENTREPOT_ADMIN_TOKEN: other.token } });
      await cacheStats.run({ flags: {}, json: false, own: { admin: other.url.href } }, io);
      assert.deepEqual(io.written.out.split('\n').slice(2), ['room     9 B', 'evicted  nothing since the start', '']);
    } finally {
      await other.close();
    }
  });
});
