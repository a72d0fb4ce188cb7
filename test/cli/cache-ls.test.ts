import assert from 'node:assert/strict';
import { type CacheStage, createCacheStage } from './cache-stage.js';

describe('cli/cache-ls', () => {
  let stage: CacheStage;
  beforeEach(async () => {
    stage = await createCacheStage();
    stage.time = Date.now() - 7_200_000;
  });
  afterEach(() => stage.close());

  it('lists images with what is held of them', async () => {
    const child = await stage.image('docker.io library/alpine', undefined, ['base']);
    const other = await stage.image('docker.io library/alpine', undefined, ['other'], 'linux/arm64');
    const index = await stage.index('docker.io library/alpine', '3.20', [child, other]);
    await stage.memory.remove(other.digest);
    stage.pins.add(index.digest);
    const { code, out } = await stage.run('cache', 'ls');
    assert.equal(code, 0);
    const [title = '', line = '', ...more] = out.trimEnd().split('\n');
    assert.deepEqual(title.split(/ {2,}/), ['IMAGE', 'DIGEST', 'HELD', 'PARTS', 'PLATFORMS', 'USED']);
    const cells = ['docker.io/library/alpine:3.20', index.digest.slice(0, 19), '1.9 KiB', '4 of 5', 'linux/amd64'];
    assert.deepEqual(line.split(/ {2,}/), [...cells, '2 h ago, pinned']);
    assert.deepEqual(more, []);
  });

  it('lists more than a page, all or as many as it is told, as a table and as JSON', async () => {
    for (let n = 0; n < 230; n += 1) await stage.image('a.test x', `v${n}`, [`${n}`]);
    assert.equal((await stage.run('cache', 'ls')).out.split('\n').length, 232);
    assert.equal((JSON.parse((await stage.run('cache', 'ls', '--json')).out) as unknown[]).length, 230);
    const { out } = await stage.run('cache', 'ls', '--json', '--limit', '150');
    const images = JSON.parse(out) as { image: string }[];
    assert.equal(new Set(images.map(({ image }) => image)).size, 150);
  });

  it('lists only a registry or a repository', async () => {
    await stage.image('a.test x', 'v1', ['a']);
    await stage.image('a.test y', 'v1', ['b']);
    await stage.image('b.test x', 'v1', ['c']);
    const names = async (name: string): Promise<string[]> => {
      const { out } = await stage.run('cache', 'ls', name, '--json');
      return (JSON.parse(out) as { image: string }[]).map(({ image }) => image);
    };
    assert.deepEqual(await names('a.test'), ['a.test/x:v1', 'a.test/y:v1']);
    assert.deepEqual(await names('a.test/y'), ['a.test/y:v1']);
  });

  it('lists contents, the largest first where it is told', async () => {
    const small = await stage.put('a.test x', Buffer.alloc(10));
    const large = await stage.put('a.test x', Buffer.alloc(3_000));
    stage.pins.add(small.digest);
    const { out } = await stage.run('cache', 'ls', '--blobs', '--sort', 'size');
    assert.deepEqual(
      out
        .trimEnd()
        .split('\n')
        .map((line) => line.split(/ {2,}/)),
      [
        ['DIGEST', 'SIZE', 'USED', 'PINNED', 'TYPE'],
        [large.digest, '2.9 KiB', '2 h ago'],
        [small.digest, '10 B', '2 h ago', 'yes'],
      ],
    );
  });

  it('prints titles, or an empty array, where there is nothing', async () => {
    assert.match((await stage.run('cache', 'ls')).out, /^IMAGE {2}DIGEST .*\n$/);
    assert.equal((await stage.run('cache', 'ls', '--json')).out, '[]\n');
  });

  it('tells everything that is wrong with its flags', async () => {
    for (const [argv, error] of [
      [['--limit', 'x'], /--limit: "x" is not a count/],
      [['--limit', '0'], /--limit: "0" is not a count/],
      [['--blobs', '--sort', 'name'], /--sort: "name" is no order/],
      [['--sort', 'size'], /--sort is for --blobs/],
      [['--blobs', 'a.test'], /--blobs lists all contents/],
      [['alpine:3.20'], /entrepot cache show tells of it/],
      [['a', 'b'], /b/],
    ] as const) {
      const ran = await stage.run('cache', 'ls', ...argv);
      assert.equal(ran.code, 2, argv.join(' '));
      assert.match(ran.error, error);
      assert.equal(ran.out, '');
    }
  });
});
