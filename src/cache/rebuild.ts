import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Digest } from '../oci/digest.js';
import { walkDigests, walkedShare } from './content-walk.js';

/** Files that are looked at side by side; their rows are then written in one batch. */
const STEP = 64;

/**
 * Walks all content files in small steps and gives each digest to `adopt`. Ends early when `stopped` says so; true
 * where the walk came to its end. A folder that cannot be read is left out. `onShare` hears how much is done, 0 to 1.
 */
export async function walkContent(
  directory: string,
  adopt: (digest: Digest) => Promise<unknown>,
  stopped: () => boolean,
  onShare: (share: number) => void = () => {},
): Promise<boolean> {
  for await (const digests of walkDigests(directory)) {
    for (let at = 0; at < digests.length; at += STEP) {
      if (stopped()) return false;
      const step = digests.slice(at, at + STEP);
      await Promise.all(step.map(adopt));
      const last = step.at(-1);
      if (last !== undefined) onShare(walkedShare(last));
      await nextTurn();
    }
    if (stopped()) return false;
  }
  return true;
}
