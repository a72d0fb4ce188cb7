import assert from 'node:assert/strict';
import { createBandwidth, paced } from '../../src/upstream/bandwidth.js';

describe('upstream/bandwidth', () => {
  it('lets a burst through, then as much as time brings', () => {
    let clock = 0;
    const share = createBandwidth(1_000_000, () => clock);
    assert.equal(share.spend(250_000), 0);
    assert.equal(share.spend(100_000), 100);
    clock += 100;
    assert.equal(share.spend(50_000), 50);
    clock += 10_000;
    assert.equal(share.spend(250_000), 0, 'a long pause saves up no more than a burst');
    assert.equal(share.spend(1000), 1);
  });

  it('is shared by all who spend of it', () => {
    const share = createBandwidth(1_000_000, () => 0);
    share.spend(250_000);
    assert.deepEqual([share.spend(10_000), share.spend(10_000)], [10, 20]);
  });

  it('makes a reader wait for the slowest share, and for the reader itself', async () => {
    const seen: number[] = [];
    const free = { spend: () => 0 };
    const slow = { spend: () => 30 };
    assert.equal(paced(() => {}, [free])(Buffer.alloc(1)), undefined);
    const sink = (bytes: Uint8Array): void => void seen.push(bytes.length);
    assert.equal(paced(sink, []), sink);
    const startedAt = performance.now();
    await paced(sink, [free, slow])(Buffer.alloc(7));
    assert.ok(performance.now() - startedAt >= 28);
    assert.deepEqual(seen, [7]);
    let release: () => void = () => {};
    let over = false;
    const reader = new Promise<void>((resolve) => {
      release = resolve;
    });
    const both = paced(() => reader, [{ spend: () => 1 }])(Buffer.alloc(1));
    void Promise.resolve(both).then(() => (over = true));
    await new Promise((resolve) => setTimeout(resolve, 10));
    assert.equal(over, false);
    release();
    await both;
  });
});
