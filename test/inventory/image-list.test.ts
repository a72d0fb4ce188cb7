import assert from 'node:assert/strict';
import { ConfigError } from '../../src/errors.js';
import type { ImageQuery } from '../../src/inventory/contract.js';
import { listImages } from '../../src/inventory/image-list.js';
import { createStage, type Stage } from './stage.js';

describe('inventory/image-list', () => {
  let stage: Stage;
  beforeEach(() => {
    stage = createStage();
  });

  /** The names on all pages. */
  async function names(query: Omit<ImageQuery, 'cursor'>): Promise<string[]> {
    const found: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await listImages(stage.source, stage.facts, {
        ...query,
        ...(cursor === undefined ? {} : { cursor }),
      });
      assert.ok(page.images.length <= query.limit);
      found.push(...page.images.map(({ image }) => image));
      cursor = page.next;
    } while (cursor !== undefined);
    return found;
  }

  it('lists tagged images by name, and then those without a tag', async () => {
    await stage.image('b.test y', 'v1', ['b']);
    await stage.image('a.test x', 'v2', ['a']);
    await stage.image('a.test x', 'v1', ['a', 'c']);
    const bare = await stage.image('a.test x', undefined, ['d']);
    const expected = ['a.test/x:v1', 'a.test/x:v2', 'b.test/y:v1', `a.test/x@${bare.digest}`];
    for (const limit of [1, 2, 3, 4, 100]) assert.deepEqual(await names({ limit }), expected, `limit ${limit}`);
  });

  it('refuses a registry beside a repository, which names its own', async () => {
    const query = { registry: 'a.test', repository: 'b.test/y', limit: 1 };
    await assert.rejects(listImages(stage.source, stage.facts, query), ConfigError);
  });

  it('gives every untagged image once, whatever the size of a page', async () => {
    const expected = new Set<string>();
    for (const scope of ['a.test x', 'a.test x-y', 'b.test z']) {
      for (let n = 0; n < 4; n += 1) {
        const { digest } = await stage.image(scope, undefined, [`${scope} ${n}`]);
        expected.add(`${scope.replace(' ', '/')}@${digest}`);
      }
    }
    for (const limit of [1, 2, 3, 4, 5, 12, 13]) {
      const found = await names({ limit });
      assert.equal(found.length, expected.size, `limit ${limit}`);
      assert.deepEqual(new Set(found), expected);
    }
  });

  it('lists only a registry, or a repository, where it is told to', async () => {
    await stage.image('a.test x', 'v1', ['a']);
    await stage.image('a.test x/y', 'v1', ['b']);
    await stage.image('a.test:5000 x', 'v1', ['c']);
    const bare = await stage.image('a.test x', undefined, ['d']);
    const own = `a.test/x@${bare.digest}`;
    assert.deepEqual(await names({ limit: 1, registry: 'a.test' }), ['a.test/x/y:v1', 'a.test/x:v1', own]);
    assert.deepEqual(await names({ limit: 1, repository: 'a.test/x' }), ['a.test/x:v1', own]);
    assert.deepEqual(await names({ limit: 9, registry: 'a.test:5000' }), ['a.test:5000/x:v1']);
    assert.deepEqual(await names({ limit: 9, repository: 'a.test/nothing' }), []);
  });

  it('leaves out tags whose manifest is not held', async () => {
    const gone = await stage.image('a.test x', 'v1', ['a']);
    await stage.image('a.test x', 'v2', ['b']);
    await stage.memory.remove(gone.digest);
    assert.deepEqual(await names({ limit: 9 }), ['a.test/x:v2']);
  });

  it('looks at a thousand tags for a page, however few are held', async () => {
    for (let n = 0; n < 2_500; n += 1) {
      await stage.tag('a.test x', `v${n}`, `sha256:${n.toString(16).padStart(64, '0')}` as never);
    }
    await stage.image('a.test x', 'z', ['a']);
    const first = await listImages(stage.source, stage.facts, { limit: 10 });
    assert.deepEqual(first.images, []);
    assert.notEqual(first.next, undefined);
    assert.deepEqual(await names({ limit: 10 }), ['a.test/x:z']);
  });

  it('refuses cursors and filters that are none', async () => {
    const texts = [
      '',
      'x',
      Buffer.from('{}').toString('base64url'),
      Buffer.from('[1]').toString('base64url'),
      'A'.repeat(9_000),
    ];
    const bad: ImageQuery[] = texts.map((cursor) => ({ limit: 1, cursor }));
    bad.push({ limit: 1, registry: 'a b' }, { limit: 1, repository: 'a.test/x:v1' });
    for (const query of bad) await assert.rejects(listImages(stage.source, stage.facts, query), ConfigError);
  });
});
