import assert from 'node:assert/strict';
import { createTokenBuckets } from '../../src/net/token-buckets.js';

describe('net/token-buckets', () => {
  let now = 0;
  const clock = () => now;
  beforeEach(() => {
    now = 1_000;
  });

  it('allows a burst, and then as much as flows in', () => {
    const buckets = createTokenBuckets({ burst: 2, perSecond: 10 }, clock);
    assert.deepEqual([buckets.take('a'), buckets.take('a'), buckets.take('a')], [true, true, false]);
    assert.equal(buckets.has('a'), false);
    now += 99;
    assert.equal(buckets.take('a'), false);
    now += 1;
    assert.equal(buckets.has('a'), true);
    assert.equal(buckets.take('a'), true);
    assert.equal(buckets.take('a'), false);
  });

  it('never holds more than the burst', () => {
    const buckets = createTokenBuckets({ burst: 2, perSecond: 10 }, clock);
    buckets.take('a');
    now += 3_600_000;
    assert.deepEqual([buckets.take('a'), buckets.take('a'), buckets.take('a')], [true, true, false]);
  });

  it('keeps the keys apart', () => {
    const buckets = createTokenBuckets({ burst: 1, perSecond: 1 }, clock);
    assert.equal(buckets.take('a'), true);
    assert.equal(buckets.take('b'), true);
    assert.equal(buckets.take('a'), false);
  });

  it('remembers a bounded number of keys, those last used', () => {
    const buckets = createTokenBuckets({ burst: 1, perSecond: 0 }, clock);
    buckets.take('first');
    for (let n = 0; n < 9_999; n += 1) buckets.take(`key ${n}`);
    buckets.take('first');
    for (let n = 0; n < 5_000; n += 1) buckets.take(`more ${n}`);
    assert.equal(buckets.size, 10_000);
    assert.equal(buckets.take('first'), false);
  });
});
