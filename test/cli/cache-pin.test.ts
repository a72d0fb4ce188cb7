import assert from 'node:assert/strict';
import { type CacheStage, createCacheStage } from './cache-stage.js';

const ABSENT = `sha256:${'0'.repeat(64)}`;

describe('cli/cache-pin', () => {
  let stage: CacheStage;
  beforeEach(async () => {
    stage = await createCacheStage();
  });
  afterEach(() => stage.close());

  it('pins images and contents, and lists the pins', async () => {
    const image = await stage.image('a.test x', 'v1', ['a']);
    const ran = await stage.run('cache', 'pin', 'a.test/x:v1', ABSENT);
    assert.deepEqual(ran, { code: 0, out: `Pinned a.test/x:v1.\nPinned ${ABSENT}.\n`, error: '' });
    assert.deepEqual([...stage.pins].toSorted(), [ABSENT, image.digest]);
    const listed = (await stage.run('cache', 'pin')).out.trimEnd().split('\n');
    assert.deepEqual(
      listed.map((line) => line.split(' ')[0]),
      ['DIGEST', ABSENT, image.digest],
    );
    assert.match(listed[1] ?? '', /  not held$/);
    assert.match(listed[2] ?? '', /  a\.test\/x$/);
    const json = JSON.parse((await stage.run('cache', 'pin', '--json')).out) as { digest: string }[];
    assert.deepEqual(
      json.map(({ digest }) => digest),
      [ABSENT, image.digest],
    );
  });

  it('takes pins away, and fails where there is none', async () => {
    await stage.image('a.test x', 'v1', ['a']);
    await stage.run('cache', 'pin', 'a.test/x:v1');
    assert.equal((await stage.run('cache', 'unpin', 'a.test/x:v1')).out, 'Unpinned a.test/x:v1.\n');
    const again = await stage.run('cache', 'unpin', 'a.test/x:v1', ABSENT);
    assert.equal(again.code, 1);
    assert.equal(again.error, `entrepot: a.test/x:v1 is not pinned\nentrepot: ${ABSENT} is not pinned\n`);
    const absent = await stage.run('cache', 'pin', 'a.test/x:v9', '--json');
    assert.deepEqual([absent.code, JSON.parse(absent.out)], [1, [null]]);
  });

  it('says what it takes', async () => {
    assert.match((await stage.run('cache', 'unpin')).error, /Say what to unpin/);
    const ran = await stage.run('cache', 'pin', 'a.test/x');
    assert.equal(ran.code, 2);
    assert.match(ran.error, /pins are for images and digests/);
  });
});
