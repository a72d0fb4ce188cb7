import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { CHUNK_BYTES, chunkCount, decodeSums, encodeSums, RunningSums } from '../../src/cache/sums.js';

const GENERATION = '00112233445566778899aabbccddeeff';

describe('cache/sums', () => {
  it('gives back what was encoded', () => {
    for (const [sizeBytes, mediaType] of [
      [0, undefined],
      [1, 'application/vnd.oci.image.index.v1+json'],
      [3 * CHUNK_BYTES, undefined],
      [3 * CHUNK_BYTES + 1, 'x/y'],
    ] as const) {
      const crcs = Uint32Array.from({ length: chunkCount(sizeBytes) }, (_, n) => 0xfffffff0 + n);
      const sums = { sizeBytes, mediaType, storedAt: 1_700_000_000_123, generation: GENERATION, crcs };
      assert.deepEqual(decodeSums(encodeSums(sums)), sums);
    }
  });

  it('refuses a side-car with any single bit flipped, cut or grown', () => {
    const crcs = Uint32Array.of(1, 2);
    const bytes = encodeSums({ sizeBytes: 300_000, mediaType: 'x/y', storedAt: 5, generation: GENERATION, crcs });
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assert.equal(decodeSums(flipped), undefined, `bit ${bit}`);
    }
    for (let length = 0; length < bytes.length; length += 1) {
      assert.equal(decodeSums(bytes.subarray(0, length)), undefined, `length ${length}`);
    }
    assert.equal(decodeSums(Buffer.concat([bytes, Buffer.alloc(4)])), undefined);
    assert.equal(decodeSums(Buffer.alloc(bytes.length)), undefined);
  });

  it('takes the same sums whatever pieces the bytes come in', () => {
    const bytes = randomBytes(2 * CHUNK_BYTES + 12_345);
    const expected = [0, 1, 2].map((n) => crc32(bytes.subarray(n * CHUNK_BYTES, (n + 1) * CHUNK_BYTES)));
    for (const step of [1_000, 16_384, CHUNK_BYTES, CHUNK_BYTES + 1, bytes.length]) {
      const running = new RunningSums();
      for (let at = 0; at < bytes.length; at += step) running.update(bytes.subarray(at, at + step));
      assert.deepEqual([...running.crcs()], expected, `pieces of ${step}`);
    }
  });

  it('has no sum for a chunk that has no byte', () => {
    const running = new RunningSums();
    assert.equal(running.crcs().length, 0);
    running.update(Buffer.alloc(CHUNK_BYTES));
    assert.equal(running.crcs().length, 1);
  });
});
