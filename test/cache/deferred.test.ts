import assert from 'node:assert/strict';
import { deferred } from '../../src/cache/deferred.js';
import { isPending } from '../support/flight-harness.js';

describe('cache/deferred', () => {
  it('is settled from outside, once', async () => {
    const settled = deferred<number>();
    assert.equal(await isPending(settled.promise), true);
    settled.resolve(5);
    settled.reject(new Error('late'));
    assert.equal(await settled.promise, 5);
  });

  it('rejects for whoever awaits it, and for nobody else', async () => {
    const settled = deferred<number>();
    settled.reject(new Error('x'));
    await isPending(new Promise(() => {}));
    await assert.rejects(settled.promise, { message: 'x' });
  });
});
