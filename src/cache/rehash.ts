import { createHash } from 'node:crypto';
import { type Digest, digestAlgorithm, digestHex } from '../oci/digest.js';
import type { FileSystem } from './file-system.js';
import { RunningSums } from './sums.js';

const STEP_BYTES = 1024 * 1024;

/** What a file's bytes come to. */
export interface Rehash {
  /** True where the bytes have the digest. */
  readonly matches: boolean;
  readonly sizeBytes: number;
  readonly crcs: Uint32Array;
}

/** Reads a whole file and takes its digest and its sums. Rejects with the system's error where it cannot be read. */
export async function rehash(files: FileSystem, fd: number, digest: Digest): Promise<Rehash> {
  const hash = createHash(digestAlgorithm(digest));
  const sums = new RunningSums();
  const step = new Uint8Array(STEP_BYTES);
  let sizeBytes = 0;
  for (;;) {
    const got = await files.readAt(fd, step, STEP_BYTES, sizeBytes);
    const bytes = step.subarray(0, got);
    hash.update(bytes);
    sums.update(bytes);
    sizeBytes += got;
    if (got < STEP_BYTES) break;
  }
  return { matches: hash.digest('hex') === digestHex(digest), sizeBytes, crcs: sums.crcs() };
}
