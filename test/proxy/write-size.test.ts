import assert from 'node:assert/strict';
import { writeBytesFor } from '../../src/proxy/write-size.js';

const KIB = 1024;

describe('proxy/write-size', () => {
  it('writes a mebibyte at once for a few clients', () => {
    for (const exchanges of [0, 1, 8, 16]) assert.equal(writeBytesFor(exchanges), 1024 * KIB);
  });

  it('writes less for many, so that what waits for them stays within 16 MiB', () => {
    for (const exchanges of [17, 50, 100, 256]) {
      assert.ok(writeBytesFor(exchanges) * exchanges <= 16 * 1024 * KIB);
      assert.equal(writeBytesFor(exchanges) % (64 * KIB), 0);
    }
  });

  it('writes 64 KiB at least', () => {
    assert.equal(writeBytesFor(1000), 64 * KIB);
  });
});
