import type { Digest } from '../oci/digest.js';
import type { Catalogue } from './catalogue.js';
import { evictionScore } from './eviction-score.js';
import { firstPlaces } from './first-places.js';

/** Found by one walk over all entries; sorting so many takes a few milliseconds. */
const FOUND_AT_ONCE = 2048;

/** Content that may be evicted, what deserves it most first. */
export interface Victims {
  /** For a want of room. Empty where nothing is left that may go. */
  forRoom(): Promise<readonly Victim[]>;
  /** What nobody used for too long; empty where no age is set, or nothing is due. */
  forAge(): Promise<readonly Victim[]>;
}

export interface Victim {
  readonly digest: Digest;
  readonly sizeBytes: number;
}

export interface VictimsOptions {
  readonly catalogue: Catalogue;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Unused for longer, and nothing keeps it. No limit where it is left out. */
  readonly maxAgeMs?: number | undefined;
  /** Brings the marks of what is pinned up to date. False where it is not known now what is pinned, or what is held. */
  readonly prepare: () => Promise<boolean>;
}

export function createVictims({ catalogue, now, maxAgeMs, prepare }: VictimsOptions): Victims {
  return {
    async forRoom() {
      if (!(await prepare())) return [];
      const at = now();
      return firstPlaces(catalogue, FOUND_AT_ONCE, (held) =>
        held.pinned ? undefined : -evictionScore(at - held.usedAt, held.sizeBytes, held.uses),
      );
    },
    async forAge() {
      if (maxAgeMs === undefined || !(await prepare())) return [];
      const before = now() - maxAgeMs;
      return firstPlaces(catalogue, FOUND_AT_ONCE, ({ pinned, usedAt }) =>
        pinned || usedAt >= before ? undefined : usedAt,
      );
    },
  };
}
