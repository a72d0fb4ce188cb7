import assert from 'node:assert/strict';
import { createHolderNames } from '../../src/inventory/holder-names.js';
import { createStage } from './stage.js';

describe('inventory/holder-names', () => {
  it('names a tag as people write it', async () => {
    const { source, facts } = createStage();
    const nameOf = createHolderNames(source, facts, () => false);
    assert.equal(await nameOf('docker.io library/alpine:3.20'), 'docker.io/library/alpine:3.20');
  });

  it('names a manifest by its tag, by the tag of an index above it, or by its digest', async () => {
    const stage = createStage();
    const tagged = await stage.image('a.test x', 'v1', ['a']);
    const child = await stage.image('a.test y', undefined, ['b']);
    await stage.index('a.test y', 'v2', [child]);
    const bare = await stage.image('a.test z', undefined, ['c']);
    const nameOf = createHolderNames(stage.source, stage.facts, () => false);
    assert.equal(await nameOf(tagged.digest), 'a.test/x:v1');
    assert.equal(await nameOf(child.digest), 'a.test/y:v2');
    assert.equal(await nameOf(bare.digest), `a.test/z@${bare.digest}`);
    const unknown = `sha256:${'0'.repeat(64)}`;
    assert.equal(await nameOf(unknown), unknown);
  });

  it('does not name a tag that is leaving itself', async () => {
    const stage = createStage();
    const image = await stage.image('a.test x', 'v1', ['a']);
    const nameOf = createHolderNames(stage.source, stage.facts, (key) => key === 'a.test x:v1');
    assert.equal(await nameOf(image.digest), `a.test/x@${image.digest}`);
  });

  it('looks up fifty, and names more by their digest', async () => {
    const stage = createStage();
    const nameOf = createHolderNames(stage.source, stage.facts, () => false);
    const names = [];
    for (let n = 0; n < 52; n += 1) names.push(await nameOf((await stage.image('a.test x', `v${n}`, [`${n}`])).digest));
    assert.deepEqual(
      names.map((name) => name.startsWith('a.test/x:v')),
      names.map((_, n) => n < 50),
    );
  });
});
