import assert from 'node:assert/strict';
import { formatAge, formatBytes, formatCount } from '../../src/cli/amounts.js';

describe('cli/amounts', () => {
  it('writes sizes with two digits or three', () => {
    for (const [bytes, text] of [
      [0, '0 B'],
      [1, '1 B'],
      [1_023, '1023 B'],
      [1_024, '1.0 KiB'],
      [10_188, '9.9 KiB'],
      [10_190, '10 KiB'],
      [1_048_575, '1.0 MiB'],
      [1_048_576, '1.0 MiB'],
      [500 * 2 ** 20, '500 MiB'],
      [3.6 * 2 ** 30, '3.6 GiB'],
      [5_000 * 2 ** 40, '5000 TiB'],
    ] as const) {
      assert.equal(formatBytes(bytes), text);
    }
  });

  it('writes times as how long ago they were', () => {
    const now = 1_800_000_000_000;
    for (const [agoMs, text] of [
      [-5_000, 'just now'],
      [59_999, 'just now'],
      [60_000, '1 min ago'],
      [3_599_999, '59 min ago'],
      [7_200_000, '2 h ago'],
      [86_400_000 * 40, '40 d ago'],
    ] as const) {
      assert.equal(formatAge(now - agoMs, now), text);
    }
  });

  it('puts a noun into its number', () => {
    assert.deepEqual(
      [formatCount(0, 'tag'), formatCount(1, 'tag'), formatCount(2, 'tag')],
      ['0 tags', '1 tag', '2 tags'],
    );
  });
});
