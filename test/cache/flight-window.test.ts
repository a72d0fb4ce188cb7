import assert from 'node:assert/strict';
import { type Chunk, createChunkMemory, FlightWindow } from '../../src/cache/flight-window.js';
import { sampleBytes } from '../support/fake-fill.js';

function fill(window: FlightWindow, bytes: Uint8Array, sizeBytes?: number): Chunk[] {
  const full: Chunk[] = [];
  window.push(bytes, sizeBytes, (chunk) => full.push(chunk));
  return full;
}

describe('cache/flight-window', () => {
  it('gathers pieces into chunks and tells of each full one once', () => {
    const window = new FlightWindow(createChunkMemory(10, 100));
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
    const memory = createChunkMemory(10, 100);
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
    const window = new FlightWindow(createChunkMemory(10, 100));
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
    const window = new FlightWindow(createChunkMemory(10, 100));
    fill(window, sampleBytes(5));
    assert.equal(window.oldestFull?.offset, undefined);
    fill(window, sampleBytes(5));
    assert.equal(window.oldestFull?.endOffset, 10);
  });

  it('uses the memory of a chunk again only after its last holder has let go', () => {
    const memory = createChunkMemory(10, 100);
    const window = new FlightWindow(memory);
    const body = sampleBytes(10);
    fill(window, body);
    const piece = window.find(0)?.piece(2, 5);
    const other = window.find(0)?.piece(0, 10);
    window.clear();
    other?.release();
    other?.release();
    const fresh = memory.take(10);
    fresh.fill(0xff);
    assert.ok(piece !== undefined && body.subarray(2, 5).equals(piece.bytes));
    piece.release();
    assert.equal(memory.take(10).buffer, piece.bytes.buffer);
  });

  it('keeps no more free memory than it was told', () => {
    const memory = createChunkMemory(10, 20);
    const buffers = [memory.take(10), memory.take(10), memory.take(10)];
    for (const buffer of buffers) memory.give(buffer);
    const again = [memory.take(10), memory.take(10), memory.take(10)];
    assert.equal(again.filter((buffer) => buffers.includes(buffer)).length, 2);
  });
});
