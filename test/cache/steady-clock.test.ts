import assert from 'node:assert/strict';
import { createSteadyClock } from '../../src/cache/steady-clock.js';

const YEAR = 365 * 24 * 3_600_000;

describe('cache/steady-clock', () => {
  let wall: number;
  let elapsed: number;
  let now: () => number;

  beforeEach(() => {
    wall = 1_700_000_000_000;
    elapsed = 5;
    now = createSteadyClock(
      () => wall,
      () => elapsed,
    );
  });

  it('is the time of day, also where that is put right by a little', () => {
    wall += 1000;
    elapsed += 1000;
    assert.equal(now(), 1_700_000_001_000);
    wall += 30_000;
    assert.equal(now(), 1_700_000_031_000);
    wall -= 40_000;
    assert.equal(now(), 1_699_999_991_000);
  });

  for (const [way, jump] of [
    ['forward', YEAR],
    ['back', -YEAR],
  ] as const) {
    it(`I16: goes on from where it was when the clock is set ${way} by a year, and follows when it comes back`, () => {
      wall += jump;
      elapsed += 2000;
      assert.equal(now(), 1_700_000_002_000);
      wall += 1000;
      elapsed += 1000;
      assert.equal(now(), 1_700_000_003_000);
      wall -= jump - 2000;
      assert.equal(now(), 1_700_000_003_000);
    });
  }
});
