import assert from 'node:assert/strict';
import { footprintBytes, inBlocks } from '../../src/cache/footprint.js';

describe('cache/footprint', () => {
  it('counts files in whole blocks, an empty one as none', () => {
    assert.deepEqual([0, 1, 4096, 4097].map(inBlocks), [0, 4096, 4096, 8192]);
  });

  it('counts the sums beside the content: one block for up to 250 MiB', () => {
    assert.equal(footprintBytes(0), 4096);
    assert.equal(footprintBytes(100), 8192);
    assert.equal(footprintBytes(2 ** 28), 2 ** 28 + 8192);
  });
});
