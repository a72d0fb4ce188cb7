import assert from 'node:assert/strict';
import { createWriteBehind } from '../../src/cache/write-behind.js';

describe('cache/write-behind', () => {
  it('applies one batch at a time, the last write to a key only, in order', async () => {
    const batches: [string, unknown][][] = [];
    let running = 0;
    const writes = createWriteBehind(async (batch) => {
      running += 1;
      assert.equal(running, 1);
      batches.push([...batch]);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
    });
    const first = writes.write('a', 1);
    await Promise.resolve();
    await Promise.resolve();
    const later = [writes.write('a', 2), writes.write('b', 3), writes.write('a', undefined)];
    assert.deepEqual(writes.pending('a'), { value: undefined });
    assert.equal(writes.pending('c'), undefined);
    await Promise.all([first, ...later]);
    assert.deepEqual(
      batches
        .flat()
        .filter(([key]) => key === 'a')
        .at(-1),
      ['a', undefined],
    );
    assert.deepEqual(
      batches.flat().filter(([key]) => key === 'b'),
      [['b', 3]],
    );
    assert.equal(writes.pending('a'), undefined);
    await writes.idle();
  });

  it('tells every writer of a batch that failed, and goes on', async () => {
    let broken = true;
    const writes = createWriteBehind(async () => {
      if (broken) throw new Error('disk full');
    });
    const results = await Promise.allSettled([writes.write('a', 1), writes.write('b', 2)]);
    assert.deepEqual(
      results.map((result) => result.status),
      ['rejected', 'rejected'],
    );
    broken = false;
    await writes.write('a', 3);
    await writes.idle();
  });

  it('applies what has gathered in parts of 500, and a part that is refused keeps no other back', async () => {
    const sizes: number[] = [];
    const writes = createWriteBehind(async (batch) => {
      sizes.push(batch.size);
      if (batch.has('k0')) throw new Error('refused');
    });
    const all = Array.from({ length: 1200 }, (_, n) => writes.write(`k${n}`, n));
    const results = await Promise.allSettled(all);
    assert.deepEqual(sizes, [500, 500, 200]);
    assert.equal(results.at(-1)?.status, 'rejected');
    assert.equal(writes.pending('k1199'), undefined);
  });
});
