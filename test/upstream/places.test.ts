import assert from 'node:assert/strict';
import { createPlaces } from '../../src/upstream/places.js';

describe('upstream/places', () => {
  it('lets so many in at a time, and the others in their order', async () => {
    const places = createPlaces();
    const first = await places.take('a', 2);
    const second = await places.take('a', 2);
    const order: number[] = [];
    const third = places.take('a', 2).then((back) => {
      order.push(3);
      return back;
    });
    const fourth = places.take('a', 2).then((back) => {
      order.push(4);
      return back;
    });
    (await places.take('b', 2))();
    assert.equal(places.waiting, 2);
    first();
    first();
    const back = await third;
    assert.deepEqual([order, places.waiting], [[3], 1]);
    second();
    (await fourth)();
    back();
    assert.deepEqual([order, places.waiting], [[3, 4], 0]);
  });

  it('keeps no place for who has gone', async () => {
    const places = createPlaces();
    const back = await places.take('a', 1);
    const gone = new AbortController();
    const waiting = places.take('a', 1, gone.signal);
    gone.abort();
    await assert.rejects(waiting, { code: 'client-gone' });
    await assert.rejects(places.take('a', 1, gone.signal), { code: 'client-gone' });
    assert.equal(places.waiting, 0);
    back();
    (await places.take('a', 1))();
  });
});
