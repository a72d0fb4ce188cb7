import assert from 'node:assert/strict';
import { untaggedRoots } from '../../src/inventory/untagged.js';
import { createStage } from './stage.js';

const SCOPE = 'a.test x';

describe('inventory/untagged', () => {
  it('finds what was pulled by digest, but no children and nothing that has a tag', async () => {
    const stage = createStage();
    const child = await stage.image(SCOPE, undefined, ['a']);
    const index = await stage.index(SCOPE, undefined, [child]);
    await stage.image(SCOPE, 'v1', ['b']);
    const single = await stage.image(SCOPE, undefined, ['c']);
    await stage.image(`${SCOPE}-other`, undefined, ['d']);
    assert.deepEqual(await untaggedRoots(stage.source, stage.facts, SCOPE), [index.digest, single.digest].sort());
  });

  it('finds what a tag has left behind', async () => {
    const stage = createStage();
    const old = await stage.image(SCOPE, 'v1', ['a']);
    await stage.image(SCOPE, 'v1', ['b']);
    assert.deepEqual(await untaggedRoots(stage.source, stage.facts, SCOPE), [old.digest]);
  });

  it('is not misled by the tag of a repository whose name begins alike', async () => {
    const stage = createStage();
    const image = await stage.image(SCOPE, undefined, ['a']);
    await stage.facts.set('tag', `${SCOPE}:5000/y:v1`, { digest: image.digest });
    assert.deepEqual(await untaggedRoots(stage.source, stage.facts, SCOPE), [image.digest]);
  });

  it('looks through ten thousand links and no more', async () => {
    const stage = createStage();
    const image = await stage.image(SCOPE, undefined, ['a']);
    for (let n = 0; n < 9_997; n += 1) {
      await stage.facts.set('link', `${SCOPE} sha256:${n.toString(16).padStart(64, '0')}`, {});
    }
    const rows = await stage.facts.page('link', { prefix: `${SCOPE} `, limit: 20_000 });
    assert.equal(rows.length, 10_000);
    assert.deepEqual(await untaggedRoots(stage.source, stage.facts, SCOPE), [image.digest]);
    await stage.facts.set('link', `${SCOPE} sha256:${'e'.repeat(64)}`, {});
    assert.deepEqual(await untaggedRoots(stage.source, stage.facts, SCOPE), []);
  });
});
