import fs from 'node:fs/promises';
import path from 'node:path';
import { type Digest, digestAlgorithm, digestHex } from '../oci/digest.js';
import { digestOfFile } from './content-paths.js';

const ALGORITHMS = ['sha256', 'sha512'] as const;
const PREFIXES = Array.from({ length: 256 }, (_, n) => n.toString(16).padStart(2, '0'));

/** Where a digest stands in the order of a walk: by its hex digits, whatever its algorithm. */
export function walkOrder(digest: Digest): string {
  return `${digestHex(digest)} ${digestAlgorithm(digest)}`;
}

/** How far a walk is that has come to this digest, from 0 to 1. Digests are spread evenly, so nothing needs to be counted. */
export function walkedShare(digest: Digest): number {
  return Number.parseInt(digestHex(digest).slice(0, 12), 16) / 2 ** 48;
}

/**
 * The digests of all content files behind `after`, in order, in steps of one folder of each algorithm. Each folder is
 * read when its turn comes; one that cannot be read is left out.
 */
export async function* walkDigests(directory: string, after?: Digest): AsyncGenerator<readonly Digest[]> {
  const behind = after === undefined ? '' : walkOrder(after);
  for (const prefix of PREFIXES) {
    if (prefix < behind.slice(0, 2)) continue;
    const found: Digest[] = [];
    for (const algorithm of ALGORITHMS) {
      for (const name of await namesIn(path.join(directory, 'blobs', algorithm, prefix))) {
        const digest = digestOfFile(algorithm, prefix, name);
        if (digest !== undefined && walkOrder(digest) > behind) found.push(digest);
      }
    }
    yield found.sort((a, b) => (walkOrder(a) < walkOrder(b) ? -1 : 1));
  }
}

function namesIn(folder: string): Promise<string[]> {
  return fs.readdir(folder).catch(() => []);
}
