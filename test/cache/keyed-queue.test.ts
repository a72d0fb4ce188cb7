import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createKeyedQueue } from '../../src/cache/keyed-queue.js';

describe('cache/keyed-queue', () => {
  it('runs tasks of one key in order, one at a time, and other keys beside them', async () => {
    const queue = createKeyedQueue();
    const seen: string[] = [];
    async function task(name: string): Promise<string> {
      seen.push(`${name} begins`);
      await nextTurn();
      seen.push(`${name} ends`);
      return name;
    }
    const results = await Promise.all([
      queue.run('a', () => task('a1')),
      queue.run('a', () => task('a2')),
      queue.run('b', () => task('b1')),
    ]);
    assert.deepEqual(results, ['a1', 'a2', 'b1']);
    assert.ok(seen.indexOf('a1 ends') < seen.indexOf('a2 begins'));
    assert.ok(seen.indexOf('b1 begins') < seen.indexOf('a1 ends'));
  });

  it('goes on after a task that failed, and tells its caller', async () => {
    const queue = createKeyedQueue();
    const failing = queue.run('a', () => Promise.reject(new Error('broken')));
    const next = queue.run('a', async () => 'fine');
    await assert.rejects(failing, /broken/);
    assert.equal(await next, 'fine');
  });

  it('is idle when everything that was queued has ended', async () => {
    const queue = createKeyedQueue();
    let done = false;
    const running = queue.run('a', nextTurn).then(() => queue.run('a', async () => (done = true)));
    await queue.idle();
    await running;
    await queue.idle();
    assert.ok(done);
  });
});
