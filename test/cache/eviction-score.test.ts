import assert from 'node:assert/strict';
import { evictionScore } from '../../src/cache/eviction-score.js';

const HOUR = 3_600_000;
const MIB = 1024 * 1024;

describe('cache/eviction-score', () => {
  it('goes by last access among large contents that were used alike', () => {
    const gib = 1024 * MIB;
    assert.ok(evictionScore(3 * HOUR, 2 * gib, 1) > evictionScore(2 * HOUR, 20 * gib, 1));
    assert.ok(evictionScore(3 * HOUR, gib, 1) > evictionScore(2 * HOUR, gib, 1));
  });

  it('lets a small content stay for much longer than a large one', () => {
    assert.ok(evictionScore(24 * HOUR, 10_000, 1) < evictionScore(HOUR, 1024 * MIB, 1));
    assert.ok(evictionScore(24 * 365 * HOUR, 10_000, 1) > evictionScore(HOUR, 1024 * MIB, 1));
  });

  it('lets what was used often stay for longer, up to eight times as long', () => {
    const [once, twice, often, always] = [1, 2, 8, 255].map((uses) => evictionScore(HOUR, MIB, uses));
    assert.ok(once && twice && often && always);
    assert.equal(once / twice, 2);
    assert.equal(once / often, 8);
    assert.equal(always, often);
  });

  it('takes what is used in the future, or never was, for used just now and once', () => {
    assert.equal(evictionScore(-HOUR, MIB, 1), evictionScore(0, MIB, 1));
    assert.equal(evictionScore(HOUR, MIB, 0), evictionScore(HOUR, MIB, 1));
    assert.equal(evictionScore(HOUR, 0, 1), 0);
  });
});
