import assert from 'node:assert/strict';
import { type CacheStage, createCacheStage } from './cache-stage.js';

const DAY = 86_400_000;

describe('cli/cache-prune', () => {
  let stage: CacheStage;
  beforeEach(async () => {
    stage = await createCacheStage();
    for (let n = 0; n < 4; n += 1) {
      await stage.image(n % 2 === 0 ? 'a.test x' : 'b.test y', `v${n}`, [`${n}`]);
      stage.time += DAY;
    }
  });
  afterEach(() => stage.close());

  it('removes what was unused for long, of a registry or repository where it is told', async () => {
    const all = await stage.run('cache', 'prune', '--older-than', '2d', '--dry-run');
    assert.match(all.out, /^Would remove 6 contents/);
    const registry = await stage.run('cache', 'prune', '--older-than', '2d', '--registry', 'a.test');
    assert.match(registry.out, /^Removed 3 contents .* and 1 tag\.\nKept 3 contents .*used since then/);
    const repository = await stage.run('cache', 'prune', '--older-than', '1d', '--repository', 'b.test/y');
    assert.match(repository.out, /^Removed 3 contents/);
    const nobody = await stage.run('cache', 'prune', '--older-than', '1d', '--registry', 'c.test');
    assert.deepEqual([nobody.code, nobody.error], [1, 'entrepot: c.test is not in the store\n']);
  });

  it('removes the longest unused until the store is small enough', async () => {
    const { bytes } = stage.memory.usage;
    assert.equal((await stage.run('cache', 'prune', '--to-size', `${bytes}`)).out, 'Removed 0 contents of 0 B.\n');
    assert.match((await stage.run('cache', 'prune', '--to-size', '3KiB')).out, /^Removed [3-6] contents/);
    assert.ok(stage.memory.usage.bytes <= 3_072);
  });

  it('says what it takes', async () => {
    for (const [argv, error] of [
      [[], /Say what to remove/],
      [['--registry', 'a.test'], /Say what to remove/],
      [['--to-size', 'x'], /--to-size: "x" is not a size/],
      [['--to-size', '1', '--older-than', '1d'], /--to-size stands alone/],
      [['--older-than', '1d', '--registry', 'a.test', '--repository', 'b.test/y'], /exclude each other/],
      [['--older-than', '1d', '--repository', 'b.test/y:v1'], /is no repository/],
      [['a.test'], /a\.test/],
    ] as const) {
      const ran = await stage.run('cache', 'prune', ...argv);
      assert.equal(ran.code, 2, argv.join(' '));
      assert.match(ran.error, error);
    }
    assert.equal(stage.memory.usage.entries, 12);
  });
});
