import assert from 'node:assert/strict';
import { ConfigError } from '../../src/errors.js';
import type { Selection } from '../../src/inventory/contract.js';
import { type RemovalScope, scopeOfRemoval, taggedDigest } from '../../src/inventory/removal-scope.js';
import { createStage, type Stage } from './stage.js';

describe('inventory/removal-scope', () => {
  let stage: Stage;
  beforeEach(() => {
    stage = createStage();
  });

  async function scopeOf(selection: Selection): Promise<RemovalScope> {
    const scope = await scopeOfRemoval(stage.source, stage.facts, selection);
    assert.ok(scope);
    return scope;
  }

  async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
    const found: T[] = [];
    for await (const item of items) found.push(item);
    return found;
  }

  it('is one tag and its digest for an image by tag', async () => {
    const image = await stage.image('a.test x', 'v1', ['a']);
    await stage.tag('a.test x', 'v2', image.digest);
    const scope = await scopeOf({ image: 'a.test/x:v1' });
    assert.deepEqual(await all(scope.roots()), [image.digest]);
    assert.deepEqual(
      (await all(scope.tags())).map(({ key }) => key),
      ['a.test x:v1'],
    );
    assert.equal(scope.isOneImage, true);
    assert.deepEqual([scope.isLeaving('a.test x:v1'), scope.isLeaving('a.test x:v2')], [true, false]);
  });

  it('forgets no tag for an image by digest', async () => {
    const image = await stage.image('a.test x', 'v1', ['a']);
    const scope = await scopeOf({ image: `a.test/x@${image.digest}` });
    assert.deepEqual(await all(scope.tags()), []);
    assert.equal(scope.isLeaving('a.test x:v1'), false);
  });

  it('is all tags and deliveries for a repository, and not those of its neighbours', async () => {
    const image = await stage.image('a.test x', 'v1', ['a']);
    await stage.image('a.test x-y', 'v1', ['b']);
    await stage.image('a.test x/y', 'v1', ['c']);
    // Public content that another repository delivered has a tag here, and no link.
    const elsewhere = await stage.image('b.test z', undefined, ['d']);
    await stage.tag('a.test x', 'v2', elsewhere.digest);
    const scope = await scopeOf({ repository: 'a.test/x' });
    const roots = new Set(await all(scope.roots()));
    assert.deepEqual([roots.has(image.digest), roots.has(elsewhere.digest), roots.size], [true, true, 4]);
    assert.deepEqual(
      [scope.holds('a.test x'), scope.holds('a.test x-y'), scope.holds('a.test x/y')],
      [true, false, false],
    );
    assert.equal(scope.isLeaving('a.test x:v1'), true);
    assert.equal(scope.isLeaving('a.test x/y:v1'), false);
  });

  it('is all repositories for a registry, and not one whose name begins alike', async () => {
    await stage.image('a.test x', 'v1', ['a']);
    const scope = await scopeOf({ registry: 'a.test' });
    assert.deepEqual(
      [scope.holds('a.test x'), scope.holds('a.test:5000 x'), scope.holds('a.testing x')],
      [true, false, false],
    );
  });

  it('is nothing for what nobody knows, and an error for what is no name', async () => {
    for (const selection of [{ image: 'a.test/x:v1' }, { repository: 'a.test/x' }, { registry: 'a.test' }]) {
      assert.equal(await scopeOfRemoval(stage.source, stage.facts, selection), undefined);
    }
    for (const selection of [{ image: 'a.test/x' }, { repository: 'a.test/x:v1' }, { registry: 'a b' }, {}]) {
      await assert.rejects(scopeOfRemoval(stage.source, stage.facts, selection), ConfigError);
    }
  });

  it('knows where a tag pointed, unless its row is damaged', async () => {
    const image = await stage.image('a.test x', 'v1', ['a']);
    assert.equal(await taggedDigest(stage.facts, 'a.test x', 'v1'), image.digest);
    for (const row of [null, 7, { digest: 7 }, { digest: 'sha256:x' }]) {
      await stage.facts.set('tag', 'a.test x:v1', row);
      assert.equal(await taggedDigest(stage.facts, 'a.test x', 'v1'), undefined);
    }
  });
});
