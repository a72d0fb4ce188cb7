import assert from 'node:assert/strict';
import { createDigestSet } from '../../src/inventory/digest-set.js';
import { heldBelow } from '../../src/inventory/held-below.js';
import { findHolders, type Holders } from '../../src/inventory/holders.js';
import { scopeOfRemoval } from '../../src/inventory/removal-scope.js';
import type { Digest } from '../../src/oci/digest.js';
import { createStage, type Stage } from './stage.js';

async function turn(): Promise<void> {}

describe('inventory/holders', () => {
  let stage: Stage;
  beforeEach(() => {
    stage = createStage();
  });

  /** What others hold of an image that is to go. */
  async function holdersFor(image: string): Promise<Holders> {
    const scope = await scopeOfRemoval(stage.source, stage.facts, { image });
    assert.ok(scope);
    const all = createDigestSet();
    const manifests: Digest[] = [];
    for await (const { entry, manifest } of heldBelow(stage.source, scope.roots(), turn)) {
      all.add(entry.digest);
      if (manifest !== undefined) manifests.push(entry.digest);
    }
    const { source, inventory, facts } = stage;
    const candidates = { all, manifests };
    return findHolders({ source, inventory, facts, scope, turn, candidates, onProgress: () => {} });
  }

  it('finds nothing where the image is alone', async () => {
    const image = await stage.image('a.test x', 'v1', ['a']);
    const holders = await holdersFor('a.test/x:v1');
    for (const { digest } of [image, image.config, ...image.layers]) assert.equal(holders.has(digest), false);
  });

  it('finds the manifest that lists a layer, whichever repository delivered it', async () => {
    const image = await stage.image('a.test x', 'v1', ['base', 'own']);
    const other = await stage.image('b.test y', undefined, ['base']);
    const [base, own] = image.layers;
    assert.ok(base && own);
    const holders = await holdersFor('a.test/x:v1');
    assert.equal(holders.holderOf(base.digest), other.digest);
    assert.equal(holders.has(own.digest), false);
    assert.equal(holders.hasInside(base.digest), false);
  });

  it('follows what is held down through manifests, and knows holders in the very repository', async () => {
    const child = await stage.image('a.test x', undefined, ['base']);
    await stage.index('a.test x', 'v1', [child]);
    const outer = await stage.index('a.test x', 'v2', [child, await stage.image('a.test x', undefined, ['z'])]);
    const holders = await holdersFor('a.test/x:v1');
    for (const { digest } of [child, child.config, ...child.layers]) {
      assert.equal(holders.has(digest), true);
      assert.equal(holders.hasInside(digest), true);
      assert.equal(holders.holderOf(digest), outer.digest);
    }
  });

  it('takes a tag elsewhere for a holder, and a delivery elsewhere too', async () => {
    const image = await stage.image('a.test x', 'v1', ['base']);
    await stage.tag('b.test y', 'same', image.digest);
    assert.equal((await holdersFor('a.test/x:v1')).holderOf(image.digest), 'b.test y:same');
    await stage.facts.delete('tag', 'b.test y:same');
    await stage.image('b.test y', undefined, ['base']);
    const holders = await holdersFor('a.test/x:v1');
    assert.equal(holders.holderOf(image.digest), `b.test y@${image.digest}`);
    assert.equal(holders.hasInside(image.digest), false);
  });
});
