import assert from 'node:assert/strict';
import type { EvictionRound } from '../../src/cache/contract.js';
import { tallyEvents } from '../../src/cache/store-tally.js';
import type { Digest } from '../../src/oci/digest.js';

const DIGEST = `sha256:${'a'.repeat(64)}` as Digest;

describe('cache/store-tally', () => {
  it('counts what is evicted and damaged, and tells it on', () => {
    const told: unknown[] = [];
    let time = 1_000;
    const { events, tally } = tallyEvents(
      {
        fault: (fault) => told.push(fault),
        quarantined: (...args) => told.push(args),
        rebuilt: (...args) => told.push(args),
        evicted: (round) => told.push(round),
      },
      () => time,
    );
    assert.deepEqual(tally, { evicted: { bytes: 0, entries: 0 }, lastEvictedAt: undefined, damaged: 0 });
    const round: EvictionRound = { reason: 'room', entries: 2, bytes: 300, ms: 1 };
    events.evicted?.(round);
    time = 5_000;
    events.evicted?.({ ...round, reason: 'age' });
    events.quarantined(DIGEST, 'a flipped bit');
    events.rebuilt(1, 2);
    assert.deepEqual(tally, { evicted: { bytes: 600, entries: 4 }, lastEvictedAt: 5_000, damaged: 1 });
    assert.deepEqual(told, [round, { ...round, reason: 'age' }, [DIGEST, 'a flipped bit'], [1, 2]]);
  });

  it('counts where nobody listens, too', () => {
    const { events, tally } = tallyEvents({ fault: () => {}, quarantined: () => {}, rebuilt: () => {} });
    events.evicted?.({ reason: 'room', entries: 1, bytes: 9, ms: 1 });
    assert.deepEqual(tally.evicted, { bytes: 9, entries: 1 });
    assert.ok(Math.abs(Date.now() - (tally.lastEvictedAt ?? 0)) < 60_000);
  });
});
