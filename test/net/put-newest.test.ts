import assert from 'node:assert/strict';
import { putNewest } from '../../src/net/put-newest.js';

describe('net/put-newest', () => {
  it('forgets what was put in longest ago, and counts no key twice', () => {
    const map = new Map<string, number>();
    for (const [key, value] of [
      ['a', 1],
      ['b', 2],
      ['a', 3],
      ['c', 4],
    ] as const)
      putNewest(map, key, value, 2);
    assert.deepEqual(
      [...map],
      [
        ['a', 3],
        ['c', 4],
      ],
    );
  });
});
