import assert from 'node:assert/strict';
import { deferred } from '../../src/cache/deferred.js';
import { createGate } from '../../src/cache/gate.js';

describe('cache/gate', () => {
  it('lets so many run side by side, and the others in their order', async () => {
    const gate = createGate(2);
    const begun: number[] = [];
    const ends = [0, 1, 2, 3].map(() => deferred<number>());
    const tasks = ends.map(({ promise }, n) =>
      gate(() => {
        begun.push(n);
        return promise;
      }),
    );
    assert.deepEqual(begun, [0, 1]);
    ends[1]?.resolve(10);
    assert.equal(await tasks[1], 10);
    assert.deepEqual(begun, [0, 1, 2]);
    for (const end of ends) end.resolve(20);
    assert.deepEqual(await Promise.all(tasks), [20, 10, 20, 20]);
    assert.deepEqual(begun, [0, 1, 2, 3]);
  });

  it('gives the place of a task that fails to the next', async () => {
    const gate = createGate(1);
    const failing = gate(() => Promise.reject(new Error('full')));
    const next = gate(async () => 'done');
    await assert.rejects(failing, /full/);
    assert.equal(await next, 'done');
  });
});
