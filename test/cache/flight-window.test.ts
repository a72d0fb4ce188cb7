import assert from 'node:assert/strict';
import { createBufferPool, WHOLE_BYTES } from '../../src/cache/buffer-pool.js';
import { type Chunk, createChunkMemory, FlightWindow } from '../../src/cache/flight-window.js';
import { sampleBytes } from '../support/fake-fill.js';

function fill(window: FlightWindow, bytes: Uint8Array, sizeBytes?: number): Chunk[] {
  const full: Chunk[] = [];
  window.push(bytes, sizeBytes, (chunk) => full.push(chunk));
  return full;
}

describe('cache/flight-window', () => {
  it('gathers pieces into chunks and tells of each full one once', () => {
    const window = new FlightWindow(createChunkMemory(10));
    const body = sampleBytes(25);
    const full = [body.subarray(0, 3), body.subarray(3, 22), body.subarray(22)].flatMap((piece) => fill(window, piece));
    assert.deepEqual(
      full.map(({ offset, endOffset }) => [offset, endOffset]),
      [
        [0, 10],
        [10, 20],
      ],
    );
    assert.ok(Buffer.concat(full.map(({ bytes }) => bytes)).equals(body.subarray(0, 20)));
    assert.ok(window.partial?.bytes.equals(body.subarray(20)));
    assert.equal(window.receivedBytes, 25);
  });

  it('takes no more memory for the last chunk than the body needs', () => {
    const taken: number[] = [];
    const memory = createChunkMemory(10);
    const window = new FlightWindow({
      ...memory,
      take: (bytes) => {
        taken.push(bytes);
        return memory.take(bytes);
      },
    });
    const full = fill(window, sampleBytes(14), 14);
    assert.deepEqual(taken, [10, 4]);
    assert.equal(full.length, 2);
    assert.equal(window.partial, undefined);
  });

  it('finds the chunk of an offset, also after the oldest are gone', () => {
    const window = new FlightWindow(createChunkMemory(10));
    fill(window, sampleBytes(35));
    assert.equal(window.find(19)?.offset, 10);
    window.dropOldest();
    window.dropOldest();
    assert.equal(window.offset, 20);
    assert.equal(window.find(19), undefined);
    assert.equal(window.find(20)?.offset, 20);
    assert.equal(window.find(34)?.offset, 30);
    assert.equal(window.find(35), undefined);
  });

  it('never calls the chunk that is still being filled the oldest full one', () => {
    const window = new FlightWindow(createChunkMemory(10));
    fill(window, sampleBytes(5));
    assert.equal(window.oldestFull?.offset, undefined);
    fill(window, sampleBytes(5));
    assert.equal(window.oldestFull?.endOffset, 10);
  });

  it('gives the memory of a chunk back only after its last holder has let go', () => {
    const pool = createBufferPool(4 * WHOLE_BYTES);
    const window = new FlightWindow(createChunkMemory(WHOLE_BYTES, pool));
    const body = sampleBytes(WHOLE_BYTES);
    fill(window, body);
    const piece = window.find(0)?.piece(2, 5);
    const other = window.find(0)?.piece(0, 10);
    window.clear();
    other?.release();
    other?.release();
    assert.equal(pool.outBytes, WHOLE_BYTES);
    assert.ok(piece !== undefined && body.subarray(2, 5).equals(piece.bytes));
    piece.release();
    assert.equal(pool.outBytes, 0);
  });

  it('goes on without the pool where it has no room, and for the end of a body', () => {
    const pool = createBufferPool(4 * WHOLE_BYTES);
    const window = new FlightWindow(createChunkMemory(WHOLE_BYTES, pool));
    const body = sampleBytes(5 * WHOLE_BYTES + 10);
    fill(window, body, body.length);
    assert.equal(pool.outBytes, 4 * WHOLE_BYTES);
    assert.ok(window.find(5 * WHOLE_BYTES)?.bytes.equals(body.subarray(5 * WHOLE_BYTES)));
    window.clear();
    assert.equal(pool.outBytes, 0);
  });
});
