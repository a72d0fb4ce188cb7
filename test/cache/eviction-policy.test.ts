import assert from 'node:assert/strict';
import { evictionScore } from '../../src/cache/eviction-score.js';
import { makePullTrace, USUAL_TRACE } from '../support/pull-trace.js';
import { LRU, simulateStore } from '../support/simulate-store.js';

const GIB = 2 ** 30;
const OURS = { score: evictionScore, largeShare: 1 / 8 };

describe('cache: the policy of eviction', () => {
  const trace = makePullTrace({ ...USUAL_TRACE, images: 800, pulls: 3000 });
  const totalBytes = trace.sizes.reduce((sum, bytes) => sum + bytes, 0);

  it('gives the same trace for the same seed', () => {
    const short = { ...USUAL_TRACE, images: 20, pulls: 30 };
    assert.deepEqual(makePullTrace(short), makePullTrace(short));
    assert.notDeepEqual(makePullTrace({ ...short, seed: 2 }).sizes, makePullTrace(short).sizes);
  });

  for (const share of [0.04, 0.08]) {
    it(`finds more contents, more bytes and more whole images than LRU in a store of ${share * 100} % of all`, () => {
      const ours = simulateStore(trace, totalBytes * share, OURS);
      const lru = simulateStore(trace, totalBytes * share, LRU);
      assert.ok(ours.contents > lru.contents * 1.1, `${ours.contents} against ${lru.contents}`);
      assert.ok(ours.bytes > lru.bytes, `${ours.bytes} against ${lru.bytes}`);
      assert.ok(ours.small > lru.small * 1.2, `${ours.small} against ${lru.small}`);
      assert.ok(ours.pulls > lru.pulls, `${ours.pulls} against ${lru.pulls}`);
    });
  }

  it('does not let one layer of 20 GiB flush a thousand small ones, as LRU does', () => {
    const small = Array.from({ length: 1000 }, (_, n) => n);
    const flood = { pulls: [small, [1000], small], sizes: [...small.map(() => 5_000_000), 20 * GIB] };
    assert.ok(simulateStore(flood, 21 * GIB, OURS).contents > 0.49);
    assert.ok(simulateStore(flood, 21 * GIB, LRU).contents < 0.2);
  });
});
