import assert from 'node:assert/strict';
import { createGatheredReads } from '../../src/cache/gathered-reads.js';

describe('cache/gathered-reads', () => {
  function reading(failing?: string) {
    const batches: (readonly string[])[] = [];
    let running = 0;
    const read = createGatheredReads(async (keys) => {
      batches.push(keys);
      running += 1;
      assert.equal(running, 1);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      if (failing !== undefined && keys.includes(failing)) throw new Error('damaged');
      return new Map(keys.filter((key) => key !== 'absent').map((key) => [key, `value of ${key}`]));
    });
    return { batches, read };
  }

  it('reads what is asked for together in one batch, and what comes meanwhile in the next', async () => {
    const { batches, read } = reading();
    const first = Promise.all([read('a'), read('absent'), read('a')]);
    await Promise.resolve();
    const later = Promise.all([read('a'), read('b')]);
    assert.deepEqual(await first, ['value of a', undefined, 'value of a']);
    assert.deepEqual(await later, ['value of a', 'value of b']);
    assert.deepEqual(batches, [
      ['a', 'absent'],
      ['a', 'b'],
    ]);
    assert.equal(await read('c'), 'value of c');
  });

  it('reads 250 keys at once at most', async () => {
    const { batches, read } = reading();
    await Promise.all(Array.from({ length: 600 }, (_, n) => read(`k${n}`)));
    assert.deepEqual(
      batches.map(({ length }) => length),
      [250, 250, 100],
    );
  });

  it('tells a failure to those of the batch, and goes on', async () => {
    const { read } = reading('bad');
    const failing = [read('bad'), read('beside it')];
    await Promise.resolve();
    const next = read('good');
    for (const one of failing) await assert.rejects(one, /damaged/);
    assert.equal(await next, 'value of good');
  });
});
