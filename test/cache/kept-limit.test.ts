import assert from 'node:assert/strict';
import { keptLimitBytes } from '../../src/cache/kept-limit.js';

const SPACE = { budgetBytes: 1000, usedBytes: 500, budgetRoomBytes: 500, diskRoomBytes: 9000 };

describe('cache/kept-limit', () => {
  it('is a tenth of the budget, and none where there is no budget', () => {
    assert.equal(keptLimitBytes(SPACE), 100);
    assert.equal(keptLimitBytes({ ...SPACE, budgetBytes: Number.POSITIVE_INFINITY }), Number.POSITIVE_INFINITY);
    assert.equal(keptLimitBytes(undefined), Number.POSITIVE_INFINITY);
  });

  it('is nothing where the store or the disk is too full already', () => {
    assert.equal(keptLimitBytes({ ...SPACE, budgetRoomBytes: -1 }), 0);
    assert.equal(keptLimitBytes({ ...SPACE, diskRoomBytes: -1 }), 0);
    assert.equal(keptLimitBytes({ ...SPACE, budgetRoomBytes: 0, diskRoomBytes: 0 }), 100);
  });
});
