import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Digest } from '../oci/digest.js';
import type { ContentCheck } from './content-check.js';
import { walkDigests, walkedShare } from './content-walk.js';

/** Bad digests that a result names; beyond, they are only counted. */
const NAMED_BAD = 1_000;

export interface VerifyRequest {
  /** What to check; everything that is stored where it is left out. */
  readonly digests?: readonly Digest[];
  /** Called after each file, with numbers that only grow. */
  readonly onProgress?: (progress: VerifyProgress) => void;
  /** Ends the work within a few reads; the result then tells what was done until then. */
  readonly signal?: AbortSignal;
}

export interface VerifyProgress {
  /** How much is done, from 0 to 1. */
  readonly share: number;
  readonly checked: number;
  readonly checkedBytes: number;
  /** Files that are not what their name says. They are in quarantine by now. */
  readonly bad: number;
  /** Digests that were asked for and have no file. */
  readonly missing: number;
  /** Files that could not be opened or read for another reason than damage. */
  readonly unreadable: number;
}

export interface VerifyResult extends VerifyProgress {
  /** The first thousand bad digests, in the order in which they were found. */
  readonly badDigests: readonly Digest[];
  readonly aborted: boolean;
}

/** Hashes stored files and takes the bad ones away; they are fetched again when somebody asks for them. Never rejects. */
export type Verify = (request?: VerifyRequest) => Promise<VerifyResult>;

/** Makes `verify` for a data folder. It reads as fast as the disk gives, one file at a time. */
export function createVerify(directory: string, check: ContentCheck): Verify {
  return async ({ digests, onProgress, signal } = {}) => {
    const count = { checked: 0, checkedBytes: 0, bad: 0, missing: 0, unreadable: 0 };
    const badDigests: Digest[] = [];
    let share = 0;
    const pace = (): void => signal?.throwIfAborted();
    const steps = digests === undefined ? walkDigests(directory) : [digests];
    try {
      for await (const step of steps) {
        for (const [n, digest] of step.entries()) {
          pace();
          const { verdict, bytes } = await check(digest, pace);
          share = digests === undefined ? walkedShare(digest) : (n + 1) / step.length;
          count.checked += 1;
          count.checkedBytes += bytes;
          if (verdict !== 'good') count[verdict] += 1;
          if (verdict === 'bad' && badDigests.length < NAMED_BAD) badDigests.push(digest);
          onProgress?.({ share, ...count });
          await nextTurn();
        }
      }
      return { share: 1, ...count, badDigests, aborted: false };
    } catch (error) {
      if (signal?.aborted !== true) throw error;
      return { share, ...count, badDigests, aborted: true };
    }
  };
}
