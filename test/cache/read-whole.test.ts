import assert from 'node:assert/strict';
import { readWhole } from '../../src/cache/read-whole.js';

describe('cache/read-whole', () => {
  it('joins all pieces and releases each of them', async () => {
    const source = Buffer.from('one two three');
    const scratch = Buffer.alloc(4);
    let lent = 0;
    const whole = await readWhole({
      sizeBytes: source.length,
      async read(offset) {
        assert.equal(lent, 0);
        if (offset >= source.length) return undefined;
        lent += 1;
        const length = source.copy(scratch, 0, offset, offset + 4);
        return { bytes: scratch.subarray(0, length), release: () => (lent -= 1) };
      },
      close() {},
    });
    assert.deepEqual(whole, source);
    assert.equal(lent, 0);
  });
});
