import fs from 'node:fs/promises';
import path from 'node:path';
import { type Digest, type DigestAlgorithm, digestAlgorithm, digestHex, digestOf } from '../oci/digest.js';
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

export interface ContentFolder {
  readonly folder: string;
  readonly algorithm: (typeof ALGORITHMS)[number];
  readonly prefix: string;
  readonly names: readonly string[];
}

/** All folders that hold content, from a prefix on. Each is read when its turn comes; one that cannot be read is empty. */
export async function* walkFolders(directory: string, from = ''): AsyncGenerator<ContentFolder> {
  let present: Presence | undefined;
  for (const prefix of PREFIXES) {
    if (prefix < from) continue;
    // Asking for 512 folders that are not there makes the start of an empty store longer; a walk may take days, though.
    if (present === undefined || prefix.endsWith('0')) present = await presentFolders(directory);
    for (const algorithm of ALGORITHMS) {
      const folder = path.join(directory, 'blobs', algorithm, prefix);
      const names = present[algorithm].has(prefix) ? await namesIn(folder) : [];
      yield { folder, algorithm, prefix, names };
    }
  }
}

type Presence = Readonly<Record<ContentFolder['algorithm'], ReadonlySet<string>>>;

async function presentFolders(directory: string): Promise<Presence> {
  const [sha256, sha512] = await Promise.all(ALGORITHMS.map((name) => namesIn(path.join(directory, 'blobs', name))));
  return { sha256: new Set(sha256), sha512: new Set(sha512) };
}

function namesIn(folder: string): Promise<readonly string[]> {
  return fs.readdir(folder).catch(() => []);
}

/** The digests of all content files behind `after`, in order, in steps of one folder of each algorithm. */
export async function* walkDigests(directory: string, after?: Digest): AsyncGenerator<readonly Digest[]> {
  const behind = after === undefined ? '' : walkOrder(after);
  // Thousands of them are sorted ten times as fast as texts that are there than by a function that makes them.
  let found: string[] = [];
  for await (const { algorithm, prefix, names } of walkFolders(directory, behind.slice(0, 2))) {
    for (const name of names) {
      const digest = digestOfFile(algorithm, prefix, name);
      const order = digest && walkOrder(digest);
      if (order !== undefined && order > behind) found.push(order);
    }
    if (algorithm !== ALGORITHMS.at(-1)) continue;
    yield found.sort().map(digestInOrder);
    found = [];
  }
}

/** The digest whose `walkOrder` it is. */
function digestInOrder(order: string): Digest {
  const space = order.indexOf(' ');
  return digestOf(order.slice(space + 1) as DigestAlgorithm, order.slice(0, space));
}
