import type { Piece } from '../http/body.js';
import { type BufferPool, WHOLE_BYTES } from './buffer-pool.js';

/** Takes and keeps the memory of chunks, so that a fill doesn't allocate a mebibyte for each mebibyte it moves. */
export interface ChunkMemory {
  readonly chunkBytes: number;
  take(bytes: number): Buffer;
  give(buffer: Buffer): void;
}

/** Whole chunks come from the pool while it has room, so that fills and readers have one bound in common; others are allocated. */
export function createChunkMemory(chunkBytes: number, pool?: Pick<BufferPool, 'takeChunk'>): ChunkMemory {
  const lent = new Map<Buffer, Piece>();
  return {
    chunkBytes,
    take(bytes) {
      const piece = bytes === chunkBytes && chunkBytes === WHOLE_BYTES ? pool?.takeChunk() : undefined;
      if (piece === undefined) return Buffer.allocUnsafeSlow(bytes);
      const buffer = Buffer.from(piece.bytes.buffer, piece.bytes.byteOffset, bytes);
      lent.set(buffer, piece);
      return buffer;
    },
    give(buffer) {
      lent.get(buffer)?.release();
      lent.delete(buffer);
    },
  };
}

/** Consecutive bytes of a fill. The memory goes back when the last of its holders has released it. */
export class Chunk {
  readonly offset: number;
  readonly #buffer: Buffer;
  readonly #memory: ChunkMemory;
  #filledBytes = 0;
  #holders = 1;

  constructor(offset: number, bytes: number, memory: ChunkMemory) {
    this.offset = offset;
    this.#memory = memory;
    this.#buffer = memory.take(bytes);
  }

  get endOffset(): number {
    return this.offset + this.#filledBytes;
  }

  get isFull(): boolean {
    return this.#filledBytes === this.#buffer.length;
  }

  /** What has arrived so far. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#filledBytes);
  }

  /** Copies as much of `bytes` as there is room for and gives the number of bytes taken. */
  fill(bytes: Uint8Array): number {
    const taken = Math.min(bytes.length, this.#buffer.length - this.#filledBytes);
    this.#buffer.set(taken === bytes.length ? bytes : bytes.subarray(0, taken), this.#filledBytes);
    this.#filledBytes += taken;
    return taken;
  }

  hold(): void {
    this.#holders += 1;
  }

  release(): void {
    this.#holders -= 1;
    if (this.#holders === 0) this.#memory.give(this.#buffer);
  }

  /** A view of the bytes from `offset` to `endOffset`; it holds the chunk until it is released. */
  piece(offset: number, endOffset: number): Piece {
    this.hold();
    let held = true;
    return {
      bytes: this.#buffer.subarray(offset - this.offset, endOffset - this.offset),
      release: () => {
        // A second release would hand memory that another client reads to a third one.
        if (held) this.release();
        held = false;
      },
    };
  }
}

/** The newest bytes of a fill, in memory: chunks at multiples of the chunk size, without gaps, ending where the upstream is. */
export class FlightWindow {
  readonly #memory: ChunkMemory;
  #chunks: Chunk[] = [];
  #receivedBytes = 0;

  constructor(memory: ChunkMemory) {
    this.#memory = memory;
  }

  /** All bytes that ever came, in memory or not. */
  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** Where the window begins. */
  get offset(): number {
    return this.#chunks[0]?.offset ?? this.#receivedBytes;
  }

  /** The oldest chunk, unless bytes are still being added to it. */
  get oldestFull(): Chunk | undefined {
    const oldest = this.#chunks[0];
    return oldest?.isFull ? oldest : undefined;
  }

  /** The chunk that is being filled, for the end of a body that isn't a multiple of the chunk size. */
  get partial(): Chunk | undefined {
    const newest = this.#chunks.at(-1);
    return newest?.isFull ? undefined : newest;
  }

  /** Copies bytes to the end; `sizeBytes` is the whole length of the body, where it is known. Calls `onFull` for each chunk that is now full. */
  push(bytes: Uint8Array, sizeBytes: number | undefined, onFull: (chunk: Chunk) => void): void {
    let rest = bytes;
    while (rest.length > 0) {
      const chunk = this.partial ?? this.#grow(sizeBytes);
      const taken = chunk.fill(rest);
      this.#receivedBytes += taken;
      rest = rest.subarray(taken);
      if (chunk.isFull) onFull(chunk);
    }
  }

  /** Counts bytes that came before and are not in memory. Only where nothing was pushed yet. */
  pass(bytes: number): void {
    this.#receivedBytes += bytes;
  }

  /** The chunk that holds `offset`, or undefined where the window doesn't reach. */
  find(offset: number): Chunk | undefined {
    if (offset >= this.#receivedBytes) return undefined;
    return this.#chunks[Math.floor((offset - this.offset) / this.#memory.chunkBytes)];
  }

  /** Lets go of the oldest chunk. */
  dropOldest(): void {
    this.#chunks.shift()?.release();
  }

  clear(): void {
    for (const chunk of this.#chunks) chunk.release();
    this.#chunks = [];
  }

  #grow(sizeBytes: number | undefined): Chunk {
    const { chunkBytes } = this.#memory;
    const room = sizeBytes === undefined ? chunkBytes : Math.min(chunkBytes, sizeBytes - this.#receivedBytes);
    const chunk = new Chunk(this.#receivedBytes, room, this.#memory);
    this.#chunks.push(chunk);
    return chunk;
  }
}
