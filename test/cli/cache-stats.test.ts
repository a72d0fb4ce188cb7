import assert from 'node:assert/strict';
import { type CacheStage, createCacheStage } from './cache-stage.js';

describe('cli/cache-stats', () => {
  let stage: CacheStage;
  before(async () => {
    stage = await createCacheStage();
  });
  after(() => stage.close());

  it('tells how much is stored', async () => {
    assert.deepEqual(await stage.run('cache', 'stats'), { code: 0, out: 'stored   1 B\nentries  2\n', error: '' });
    const { out } = await stage.run('cache', 'stats', '--json');
    assert.deepEqual(JSON.parse(out), { bytes: 1, entries: 2 });
  });
});
