import assert from 'node:assert/strict';
import { createBoundedMap } from '../../src/cache/bounded-map.js';

describe('cache/bounded-map', () => {
  it('forgets what was used longest ago when it is full', () => {
    const map = createBoundedMap<string, object>(2);
    const value = {};
    map.set('a', value);
    map.set('b', {});
    assert.equal(map.get('a'), value);
    map.set('c', {});
    assert.equal(map.get('b'), undefined);
    assert.equal(map.get('a'), value);
    map.delete('a');
    assert.equal(map.get('a'), undefined);
    assert.equal(map.size, 1);
  });

  it('counts what values say of their size, and does not keep one that is larger than the map', () => {
    const map = createBoundedMap<string, { readonly size: number }>(10, (value) => value.size);
    map.set('a', { size: 6 });
    map.set('b', { size: 6 });
    assert.equal(map.get('a'), undefined);
    assert.equal(map.size, 1);
    map.set('huge', { size: 11 });
    assert.equal(map.get('huge'), undefined);
    assert.deepEqual(map.get('b'), { size: 6 });
  });
});
