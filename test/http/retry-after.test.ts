import assert from 'node:assert/strict';
import { retryAfterMs } from '../../src/http/retry-after.js';

describe('http/retry-after', () => {
  const now = Date.parse('Fri, 31 Dec 1999 23:59:00 GMT');

  for (const [text, ms] of [
    ['0', 0],
    ['120', 120_000],
    [' 7 ', 7000],
    ['Fri, 31 Dec 1999 23:59:59 GMT', 59_000],
    ['Fri, 31 Dec 1999 23:00:00 GMT', 0],
    ['soon', undefined],
    ['-5', undefined],
    ['1.5', undefined],
    ['', undefined],
  ] as const) {
    it(`H05 reads ${JSON.stringify(text)} as ${ms} ms`, () => {
      assert.equal(retryAfterMs(['Retry-After', text], now), ms);
    });
  }

  it('says nothing where there is none', () => {
    assert.equal(retryAfterMs([], now), undefined);
  });
});
