import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { NumberTable } from '../../src/cache/number-table.js';

describe('cache/number-table', () => {
  it('gives what a map of the same numbers gives', () => {
    // Few keys, and keys that share their lowest bits, so that they meet in the tables.
    const keys = fc.oneof(
      fc.nat(50),
      fc.nat(2000).map((n) => n * 256 * 1024),
      fc.nat(2 ** 31).map((n) => n * 2 ** 21),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(keys, fc.nat()), { maxLength: 300 }), keys, (writes, other) => {
        const table = new NumberTable();
        const map = new Map<number, number>();
        for (const [key, value] of writes) {
          table.set(key, value);
          map.set(key, value);
        }
        assert.equal(table.size, map.size);
        for (const key of [...map.keys(), other]) assert.equal(table.get(key), map.get(key));
      }),
    );
  });

  it('goes through a small part of its numbers when it grows', () => {
    const table = new NumberTable();
    const count = 300_000;
    // Multiplied by a prime, they are spread as digests are.
    for (let n = 0; n < count; n += 1) table.set((n * 4_294_967_291) % 2 ** 52, n);
    assert.equal(table.size, count);
    assert.ok(table.longestShard < count / 50, `${table.longestShard} places`);
  });
});
