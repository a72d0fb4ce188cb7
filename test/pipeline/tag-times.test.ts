import assert from 'node:assert/strict';
import { createTagTimes } from '../../src/pipeline/tag-times.js';
import { digestOfBytes } from '../support/memory-store.js';

const A = digestOfBytes(Buffer.from('a'));
const B = digestOfBytes(Buffer.from('b'));

describe('pipeline/tag-times', () => {
  it('knows the last look-up of a tag until its time to live is over', () => {
    let now = 0;
    const times = createTagTimes(1_000, () => now);
    assert.equal(times.fresh('v1'), undefined);
    times.note('v1', A);
    times.note('v1', B);
    now = 999;
    assert.equal(times.fresh('v1'), B);
    assert.equal(times.fresh('v2'), undefined);
    now = 1_000;
    assert.equal(times.fresh('v1'), undefined);
  });

  it('forgets the oldest of too many', () => {
    const times = createTagTimes(1_000, () => 0);
    for (let i = 0; i <= 20_000; i += 1) times.note(`v${i}`, A);
    assert.equal(times.fresh('v0'), undefined);
    assert.equal(times.fresh('v1'), A);
  });
});
