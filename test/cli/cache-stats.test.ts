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
    assert.deepEqual(JSON.parse(out), { bytes: 3_000, entries: 1 });
  });

  it('tells of the budget, the scrubber and what is wrong', async () => {
    const stats = {
      ...{ bytes: 1_024, entries: 1, takenBytes: 2_048, budgetBytes: 1_048_576 },
      scrub: { share: 0.129, rounds: 0, checked: 7, bad: 1 },
      fault: 'the disk is full',
    };
    const other = await createAdminStage({ inventory: { ...stage.operations, stats: async () => stats } });
    try {
      const io = createFakeIo({ env: { HOME: '/nowhere', ENTREPOT_ADMIN_TOKEN: other.token } });
      await cacheStats.run({ flags: {}, json: false, own: { admin: other.url.href } }, io);
      assert.deepEqual(io.written.out.split('\n').slice(2), [
        'budget   2.0 KiB of 1.0 MiB taken',
        'scrub    12% of a round, 7 checked, 1 damaged',
        'fault    the disk is full',
        '',
      ]);
    } finally {
      await other.close();
    }
  });
});
