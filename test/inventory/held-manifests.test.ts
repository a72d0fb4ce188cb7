import assert from 'node:assert/strict';
import { heldManifests } from '../../src/inventory/held-manifests.js';
import { createStage } from './stage.js';

describe('inventory/held-manifests', () => {
  it('finds every manifest and no blob, however many pages there are', async () => {
    const stage = createStage();
    const images = [];
    for (let n = 0; n < 5; n += 1) images.push(await stage.image('a.test x', `v${n}`, [`layer ${n}`]));
    for (let n = 0; n < 1_500; n += 1) await stage.put('a.test x', Buffer.from(`blob ${n}`));
    const found = [];
    const shares: number[] = [];
    for await (const { entry, share } of heldManifests(stage.inventory)) {
      found.push(entry.digest);
      shares.push(share);
    }
    assert.deepEqual(found.toSorted(), images.map(({ digest }) => digest).toSorted());
    assert.ok(shares.every((share) => share >= 0 && share <= 1));
    assert.deepEqual(
      shares,
      shares.toSorted((a, b) => a - b),
    );
  });
});
