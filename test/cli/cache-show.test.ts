import assert from 'node:assert/strict';
import { type CacheStage, createCacheStage } from './cache-stage.js';

describe('cli/cache-show', () => {
  let stage: CacheStage;
  beforeEach(async () => {
    stage = await createCacheStage();
    stage.time = Date.now() - 60_000;
  });
  afterEach(() => stage.close());

  it('shows an image as a tree, with what is held and who delivered it', async () => {
    const child = await stage.image('docker.io library/alpine', undefined, ['base']);
    const other = await stage.image('docker.io library/alpine', undefined, ['x'], 'linux/arm64');
    const index = await stage.index('docker.io library/alpine', '3.20', [child, other]);
    await stage.memory.remove(other.digest);
    for (const scope of ['a.test a', 'b.test b', 'c.test c']) await stage.image(scope, undefined, ['base']);
    const { code, out } = await stage.run('cache', 'show', 'alpine:3.20');
    assert.equal(code, 0);
    const [facts = '', tree = ''] = out.split('\n\n');
    assert.match(facts, /^image {6}docker\.io\/library\/alpine:3\.20\n/);
    assert.match(facts, /^held {7}1\.9 KiB of 2\.3 KiB \(4 of 5 parts\)$/m);
    assert.match(facts, /^platforms {2}linux\/amd64$/m);
    const parts = tree
      .trimEnd()
      .split('\n')
      .map((line) => line.slice(0, 24).trimEnd());
    assert.deepEqual(
      parts,
      [
        'PART                    ',
        'index',
        '├─ manifest linux/amd64 ',
        '│  ├─ config            ',
        '│  └─ layer             ',
        '└─ manifest linux/arm64 ',
      ].map((text) => text.trimEnd()),
    );
    assert.match(tree, new RegExp(`└─ manifest linux/arm64  ${other.digest} +\\d+ B  no$`, 'm'));
    assert.match(tree, /docker\.io\/library\/alpine, a\.test\/a and 2 more$/m);
    assert.match(tree, new RegExp(`${index.digest} +\\d+ B  yes +1 min ago`));
  });

  it('shows one content', async () => {
    const { digest } = await stage.put('a.test x', Buffer.alloc(3_000));
    const { out } = await stage.run('cache', 'show', digest);
    assert.match(out, /^size {10}2\.9 KiB \(3000 bytes\)$/m);
    assert.match(out, /^delivered by {2}a\.test\/x$/m);
  });

  it('prints as JSON what the API gives', async () => {
    await stage.image('a.test x', 'v1', ['a']);
    const { out } = await stage.run('cache', 'show', 'a.test/x:v1', '--json');
    assert.deepEqual(JSON.parse(out), JSON.parse(JSON.stringify(await stage.operations.image('a.test/x:v1'))));
  });

  it('fails for what is not there, and says what it takes', async () => {
    const absent = await stage.run('cache', 'show', 'a.test/x:v1');
    assert.deepEqual([absent.code, absent.error], [1, 'entrepot: a.test/x:v1 is not in the store.\n']);
    for (const argv of [['a.test/x'], ['a.test'], [''], ['a b'], [], ['a:1', 'b:1']]) {
      assert.equal((await stage.run('cache', 'show', ...argv)).code, 2, argv.join(' '));
    }
  });

  it('K05: prints nothing of a manifest that a terminal would obey', async () => {
    const document = {
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: [
        { mediaType: 'x/\u001b[2J', digest: `sha256:${'1'.repeat(64)}`, size: 1, platform: { os: '\u001b[2J' } },
      ],
    };
    const index = await stage.document('a.test x', document, document.mediaType);
    await stage.tag('a.test x', 'v1', index.digest);
    const { code, out } = await stage.run('cache', 'show', 'a.test/x:v1');
    assert.equal(code, 0);
    assert.ok(!out.includes('\u001b'));
  });
});
