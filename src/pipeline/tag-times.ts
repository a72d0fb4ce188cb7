import { putNewest } from '../net/put-newest.js';
import type { Digest } from '../oci/digest.js';

/** Tags that are known to have been looked up, the oldest first. */
const MAX_TIMES = 20_000;

/** When tags were last looked up, and what they were: for `--tag-ttl`, in memory only. */
export interface TagTimes {
  note(key: string, digest: Digest): void;
  /** The digest, where the look-up is younger than the time to live. */
  fresh(key: string): Digest | undefined;
}

/** @param now monotonic milliseconds */
export function createTagTimes(ttlMs: number, now: () => number = () => performance.now()): TagTimes {
  const known = new Map<string, { readonly digest: Digest; readonly at: number }>();
  return {
    note(key, digest) {
      putNewest(known, key, { digest, at: now() }, MAX_TIMES);
    },
    fresh(key) {
      const found = known.get(key);
      return found && now() - found.at < ttlMs ? found.digest : undefined;
    },
  };
}
