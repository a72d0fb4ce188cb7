import type { FileFacts } from './file-system.js';
import { CHUNK_BYTES, type Sums } from './sums.js';

/** How long a check of a chunk holds. Within it the bytes come from the page cache anyway, as a rule. */
const HOLDS_SECONDS = 3_600;

/** The sums of one file as it lies there now, and which of its chunks were found right, when. */
export class ChunkChecks {
  readonly sums: Sums;
  readonly #file: FileFacts;
  /** Seconds of the monotonic clock, plus one; 0 means never. */
  readonly #checkedAt: Uint32Array;

  constructor(sums: Sums, file: FileFacts) {
    this.sums = sums;
    this.#file = file;
    this.#checkedAt = new Uint32Array(sums.crcs.length);
  }

  /** True while the file is the one that the checks were made on. */
  isFor(file: FileFacts): boolean {
    return (
      file.ino === this.#file.ino && file.sizeBytes === this.#file.sizeBytes && file.mtimeMs === this.#file.mtimeMs
    );
  }

  /** True where every chunk of the range was checked within the hour. */
  covers(offset: number, lengthBytes: number, nowMs: number): boolean {
    const oldest = secondsOf(nowMs) - HOLDS_SECONDS;
    const last = Math.floor((offset + lengthBytes - 1) / CHUNK_BYTES);
    for (let chunk = Math.floor(offset / CHUNK_BYTES); chunk <= last; chunk += 1) {
      const at = this.#checkedAt[chunk] ?? 0;
      if (at === 0 || at < oldest) return false;
    }
    return true;
  }

  /** Compares the sum that was taken of a chunk's bytes; remembers the check where it is right. */
  accept(chunk: number, crc: number, nowMs: number): boolean {
    if (this.sums.crcs[chunk] !== crc) return false;
    this.#checkedAt[chunk] = secondsOf(nowMs);
    return true;
  }
}

function secondsOf(nowMs: number): number {
  return Math.floor(nowMs / 1000) + 1;
}
