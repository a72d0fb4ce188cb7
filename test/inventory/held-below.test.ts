import assert from 'node:assert/strict';
import { heldBelow } from '../../src/inventory/held-below.js';
import type { Digest } from '../../src/oci/digest.js';
import { createStage } from './stage.js';

async function* listed(...digests: Digest[]): AsyncGenerator<Digest> {
  yield* digests;
}

describe('inventory/held-below', () => {
  it('gives all held content once, parts before what lists them', async () => {
    const stage = createStage();
    const amd64 = await stage.image('a.test x', undefined, ['base', 'amd64']);
    const arm64 = await stage.image('a.test x', undefined, ['base', 'gone'], 'linux/arm64');
    const index = await stage.index('a.test x', 'v1', [amd64, arm64]);
    const gone = arm64.layers[1];
    assert.ok(gone);
    await stage.memory.remove(gone.digest);
    const found: Digest[] = [];
    for await (const { entry, manifest } of heldBelow(
      stage.source,
      listed(index.digest, amd64.digest),
      async () => {},
    )) {
      assert.equal(
        manifest !== undefined,
        [index, amd64, arm64].some(({ digest }) => digest === entry.digest),
      );
      found.push(entry.digest);
    }
    assert.equal(new Set(found).size, found.length);
    assert.equal(found.length, 7);
    const at = (digest: Digest): number => found.indexOf(digest);
    for (const image of [amd64, arm64]) {
      assert.ok(at(image.digest) < at(index.digest));
      assert.ok(at(image.config.digest) < at(image.digest));
    }
    assert.ok(!found.includes(gone.digest));
  });

  it('can be ended between two steps', async () => {
    const stage = createStage();
    const image = await stage.image('a.test x', 'v1', ['a', 'b']);
    let steps = 0;
    const turn = async (): Promise<void> => {
      steps += 1;
      if (steps > 2) throw new Error('ended');
    };
    await assert.rejects(async () => {
      for await (const _ of heldBelow(stage.source, listed(image.digest), turn));
    }, /ended/);
  });
});
