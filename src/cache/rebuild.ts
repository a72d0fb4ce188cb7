import fs from 'node:fs/promises';
import path from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Digest } from '../oci/digest.js';
import { digestOfFile } from './content-paths.js';

/** Files that are looked at side by side; their rows are then written in one batch. */
const STEP = 64;

/**
 * Walks all content files in small steps and gives each digest to `adopt`. Ends early when `stopped` says so; true
 * where the walk came to its end. A folder that cannot be read is left out.
 */
export async function walkContent(
  directory: string,
  adopt: (digest: Digest) => Promise<unknown>,
  stopped: () => boolean,
): Promise<boolean> {
  for (const algorithm of ['sha256', 'sha512']) {
    const root = path.join(directory, 'blobs', algorithm);
    for (const prefix of await namesIn(root)) {
      const digests = (await namesIn(path.join(root, prefix)))
        .map((name) => digestOfFile(algorithm, prefix, name))
        .filter((digest) => digest !== undefined);
      for (let at = 0; at < digests.length; at += STEP) {
        if (stopped()) return false;
        await Promise.all(digests.slice(at, at + STEP).map(adopt));
        await nextTurn();
      }
    }
  }
  return !stopped();
}

function namesIn(folder: string): Promise<string[]> {
  return fs.readdir(folder).catch(() => []);
}
