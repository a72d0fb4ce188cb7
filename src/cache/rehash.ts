import { createHash } from 'node:crypto';
import { type Digest, digestAlgorithm, digestHex } from '../oci/digest.js';
import type { FileSystem } from './file-system.js';
import { RunningSums } from './sums.js';

const STEP_BYTES = 1024 * 1024;
/** Read at once where somebody sets the pace, so that other reads of the disk get their turn. */
const PACED_STEP_BYTES = 256 * 1024;

/** Told after each step how many bytes it had; what it waits for is waited for. A rejection ends the reading. */
export type Pace = (bytes: number) => void | Promise<void>;

/** What a file's bytes come to. */
export interface Rehash {
  /** True where the bytes have the digest. */
  readonly matches: boolean;
  readonly sizeBytes: number;
  readonly crcs: Uint32Array;
}

/**
 * Reads a whole file and takes its digest and its sums. Rejects with the system's error where it cannot be read, or with
 * what `pace` rejects with.
 */
export async function rehash(files: FileSystem, fd: number, digest: Digest, pace?: Pace): Promise<Rehash> {
  const hash = createHash(digestAlgorithm(digest));
  const sums = new RunningSums();
  const stepBytes = pace === undefined ? STEP_BYTES : PACED_STEP_BYTES;
  const step = new Uint8Array(stepBytes);
  let sizeBytes = 0;
  for (;;) {
    const got = await files.readAt(fd, step, stepBytes, sizeBytes);
    const bytes = step.subarray(0, got);
    hash.update(bytes);
    sums.update(bytes);
    sizeBytes += got;
    const pause = pace?.(got);
    if (pause) await pause;
    if (got < stepBytes) break;
  }
  return { matches: hash.digest('hex') === digestHex(digest), sizeBytes, crcs: sums.crcs() };
}
