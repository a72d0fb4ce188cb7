import assert from 'node:assert/strict';
import { createBufferPool } from '../../src/cache/buffer-pool.js';
import type { Piece } from '../../src/http/body.js';

const KIB = 1024;
const MIB = 1024 * KIB;

function sizes(pieces: readonly Piece[]): number[] {
  return pieces.map((piece) => piece.bytes.byteLength / KIB);
}

describe('cache/buffer-pool', () => {
  it('lends 1 MiB for large reads and 256 KiB for small ones', () => {
    const pool = createBufferPool(8 * MIB);
    assert.deepEqual(
      sizes([pool.take(MIB), pool.take(256 * KIB), pool.take(1), pool.take(256 * KIB + 1)]),
      [1024, 256, 256, 1024],
    );
    assert.equal(pool.outBytes, 2.5 * MIB);
  });

  it('lends small buffers once more than a third is out, then 64 KiB from outside, and never fails', () => {
    const pool = createBufferPool(12 * MIB);
    const pieces = Array.from({ length: 33 }, () => pool.take(MIB));
    assert.deepEqual(sizes(pieces), [...Array<number>(5).fill(1024), ...Array<number>(28).fill(256)]);
    assert.equal(pool.outBytes, 12 * MIB);
    const outside = pool.take(MIB);
    assert.deepEqual(sizes([outside]), [64]);
    outside.release();
    assert.equal(pool.outBytes, 12 * MIB);
    for (const piece of pieces) piece.release();
    assert.equal(pool.outBytes, 0);
    assert.deepEqual(sizes([pool.take(MIB)]), [1024]);
  });

  it('lends chunks while a quarter of it is left for readers', () => {
    const pool = createBufferPool(4 * MIB);
    const chunks = Array.from({ length: 4 }, () => pool.takeChunk());
    assert.deepEqual(sizes(chunks.filter((chunk) => chunk !== undefined)), [1024, 1024, 1024, 1024]);
    assert.equal(pool.takeChunk(), undefined);
    for (const chunk of chunks) chunk?.release();
    assert.equal(pool.outBytes, 0);
  });

  it('puts released quarters together to a whole again', () => {
    const pool = createBufferPool(MIB);
    const quarters = Array.from({ length: 4 }, () => pool.take(1));
    assert.deepEqual(sizes(quarters), [256, 256, 256, 256]);
    for (const quarter of quarters) quarter.release();
    assert.deepEqual(sizes([pool.take(MIB)]), [1024]);
  });

  it('never lends the same memory to two holders, whatever the order of releases', () => {
    const pool = createBufferPool(4 * MIB);
    const held: Piece[] = [];
    let random = 7;
    for (let step = 0; step < 2_000; step += 1) {
      random = (random * 1_103_515_245 + 12_345) % 2_147_483_648;
      if (random % 3 === 0 && held.length > 0) {
        const [piece] = held.splice(random % held.length, 1);
        piece?.release();
        piece?.release();
      } else if (held.length < 20) {
        held.push(pool.take(random % 2 === 0 ? MIB : KIB));
      }
      assertApart(held);
    }
  });
});

function assertApart(pieces: readonly Piece[]): void {
  const ranges = pieces.map(({ bytes }) => ({
    buffer: bytes.buffer,
    from: bytes.byteOffset,
    to: bytes.byteOffset + bytes.byteLength,
  }));
  for (const [n, a] of ranges.entries()) {
    for (const b of ranges.slice(n + 1)) {
      assert.ok(a.buffer !== b.buffer || a.to <= b.from || b.to <= a.from, 'two holders share memory');
    }
  }
}
