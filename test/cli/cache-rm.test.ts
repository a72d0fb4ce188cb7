import assert from 'node:assert/strict';
import { type CacheStage, createCacheStage } from './cache-stage.js';

describe('cli/cache-rm', () => {
  let stage: CacheStage;
  beforeEach(async () => {
    stage = await createCacheStage();
  });
  afterEach(() => stage.close());

  it('removes images, repositories, registries and contents, and tells what is kept', async () => {
    await stage.image('a.test x', 'v1', ['base', 'own']);
    await stage.image('b.test y', 'v1', ['base']);
    const image = await stage.run('cache', 'rm', 'a.test/x:v1');
    assert.equal(image.code, 0);
    assert.match(
      image.out,
      /^Removed 3 contents of .* and 1 tag\.\nKept 1 content of 1000 B, shared with b\.test\/y:v1\.\n$/,
    );
    const { digest } = await stage.put('c.test z', Buffer.from('content'));
    assert.match((await stage.run('cache', 'rm', digest)).out, /^Removed 1 content of 7 B\.\n$/);
    assert.match((await stage.run('cache', 'rm', 'b.test/y')).out, /^Removed 3 contents/);
    await stage.image('b.test y', 'v1', ['base']);
    assert.match((await stage.run('cache', 'rm', 'b.test')).out, /^Removed 3 contents/);
    assert.equal(stage.memory.usage.entries, 0);
  });

  it('removes several, goes on where one is not there, and fails then', async () => {
    await stage.image('a.test x', 'v1', ['a']);
    await stage.image('a.test x', 'v2', ['b']);
    const ran = await stage.run('cache', 'rm', 'a.test/x:v1', 'a.test/x:v9', 'a.test/x:v2');
    assert.equal(ran.code, 1);
    assert.equal(ran.error, 'entrepot: a.test/x:v9 is not in the store\n');
    assert.match(ran.out, /^a\.test\/x:v1: Removed 3 .*\na\.test\/x:v2: Removed 3 /);
    assert.equal(stage.memory.usage.entries, 0);
  });

  it('removes nothing in a dry run', async () => {
    await stage.image('a.test x', 'v1', ['a']);
    const { out } = await stage.run('cache', 'rm', '--dry-run', 'a.test/x:v1');
    assert.match(out, /^Would remove 3 contents/);
    assert.equal(stage.memory.usage.entries, 3);
  });

  it('removes by age, alone or of what is named', async () => {
    await stage.image('a.test x', 'v1', ['a']);
    stage.time += 3 * 86_400_000;
    await stage.image('a.test y', 'v1', ['b']);
    assert.match(
      (await stage.run('cache', 'rm', 'a.test/y', '--older-than', '2d')).out,
      /^Removed 0 .*\nKept 3 contents .*used since then/,
    );
    assert.match((await stage.run('cache', 'rm', '--older-than', '2d')).out, /^Removed 3 contents/);
    assert.equal(stage.memory.usage.entries, 3);
  });

  it('prints one report as JSON, or all of them', async () => {
    await stage.image('a.test x', 'v1', ['a']);
    await stage.image('a.test x', 'v2', ['b']);
    const one = JSON.parse((await stage.run('cache', 'rm', 'a.test/x:v1', '--json')).out) as { tags: number };
    assert.equal(one.tags, 1);
    const two = JSON.parse((await stage.run('cache', 'rm', 'a.test/x:v9', 'a.test/x:v2', '--json')).out) as unknown[];
    // In the order of the names; what is not there has none.
    assert.equal(two[0], null);
    assert.equal((two[1] as { tags: number }).tags, 1);
  });

  it('says what it takes', async () => {
    for (const [argv, error] of [
      [[], /Say what to remove/],
      [['a b'], /names nothing that can be stored/],
      [['a.test/x:v1', '--older-than', 'x'], /--older-than: "x" is not a duration/],
      [['--older-than'], /./],
    ] as const) {
      const ran = await stage.run('cache', 'rm', ...argv);
      assert.equal(ran.code, 2, argv.join(' '));
      assert.match(ran.error, error);
    }
  });
});
