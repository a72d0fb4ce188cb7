import assert from 'node:assert/strict';
import { summarise } from '../../src/inventory/image-summary.js';
import { createStage, HOUR } from './stage.js';

const NAME = { registry: 'a.test', repository: 'x', tag: 'v1' };

describe('inventory/image-summary', () => {
  it('sums up what is held and what is known', async () => {
    const stage = createStage();
    const begun = stage.time;
    const amd64 = await stage.image('a.test x', undefined, ['base', 'amd64']);
    const arm64 = await stage.image('a.test x', undefined, ['base', 'arm64'], 'linux/arm64');
    const index = await stage.index('a.test x', 'v1', [amd64, arm64]);
    await stage.memory.remove(arm64.layers[1]?.digest ?? arm64.digest);
    stage.time += HOUR;
    stage.use(amd64.config.digest);
    stage.pins.add(index.digest);
    const found = await summarise(stage.source, NAME, index.digest);
    assert.ok(found);
    const { summary } = found;
    const sizes = [index, amd64, amd64.config, ...amd64.layers, arm64, arm64.config].map(({ bytes }) => bytes.length);
    const heldBytes = sizes.reduce((sum, size) => sum + size, 0);
    assert.deepEqual(
      { ...summary, storedAt: begun },
      {
        image: 'a.test/x:v1',
        ...NAME,
        digest: index.digest,
        mediaType: index.mediaType,
        heldBytes,
        knownBytes: heldBytes + 1_000,
        heldParts: 7,
        knownParts: 8,
        platforms: ['linux/amd64'],
        usedAt: stage.time,
        storedAt: begun,
        pinned: true,
      },
    );
  });

  it('has nothing to say of what is not held', async () => {
    const stage = createStage();
    const image = await stage.image('a.test x', 'v1', ['base']);
    await stage.memory.remove(image.digest);
    assert.equal(await summarise(stage.source, NAME, image.digest), undefined);
  });
});
