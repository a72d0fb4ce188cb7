import assert from 'node:assert/strict';
import { nameCarriers } from '../../src/cli/carriers-text.js';

describe('cli/carriers-text', () => {
  it('names two repositories, and tells how many more there are', () => {
    assert.deepEqual([[], ['a/b'], ['a/b', 'c/d'], ['a/b', 'c/d', 'e/f', 'g/h']].map(nameCarriers), [
      '',
      'a/b',
      'a/b, c/d',
      'a/b, c/d and 2 more',
    ]);
  });
});
