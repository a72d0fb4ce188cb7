import { CHUNK_BYTES } from './sums.js';

/** What nearly every file system hands out. */
const BLOCK_BYTES = 4096;
const SUMS_HEAD_BYTES = 64;
const BYTES_PER_SUM = 4;

/** What stored content takes on the disk: its file and its sums, each in whole blocks. */
export function footprintBytes(sizeBytes: number): number {
  return inBlocks(sizeBytes) + inBlocks(SUMS_HEAD_BYTES + (sizeBytes / CHUNK_BYTES) * BYTES_PER_SUM);
}

/** What a file of this length takes. */
export function inBlocks(sizeBytes: number): number {
  return Math.ceil(sizeBytes / BLOCK_BYTES) * BLOCK_BYTES;
}
