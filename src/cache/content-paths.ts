import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { type Digest, digestAlgorithm, digestHex, parseDigest } from '../oci/digest.js';

/** The folder of a digest's file: `blobs/<algorithm>/<first two hex digits>`. */
export function contentFolder(directory: string, digest: Digest): string {
  return path.join(directory, 'blobs', digestAlgorithm(digest), digestHex(digest).slice(0, 2));
}

/** The file that holds a digest's bytes. */
export function contentPath(directory: string, digest: Digest): string {
  return path.join(contentFolder(directory, digest), digestHex(digest));
}

/** The side-car with the sums of a digest's file. */
export function sumsPath(directory: string, digest: Digest): string {
  return `${contentPath(directory, digest)}.sum`;
}

/** A new name in the folder of what is still being written. */
export function newSpoolPath(directory: string): string {
  return path.join(spoolFolder(directory), randomBytes(12).toString('hex'));
}

export function spoolFolder(directory: string): string {
  return path.join(directory, 'spool');
}

export function quarantineFolder(directory: string): string {
  return path.join(directory, 'quarantine');
}

/** A new name for a damaged file; the same digest may be damaged more than once. */
export function newQuarantinePath(directory: string, digest: Digest): string {
  const name = `${digestAlgorithm(digest)}-${digestHex(digest)}-${randomBytes(4).toString('hex')}`;
  return path.join(quarantineFolder(directory), name);
}

/** The digest that a file name below `blobs/<algorithm>/<two hex digits>` stands for; undefined for side-cars and strangers. */
export function digestOfFile(algorithm: string, prefix: string, name: string): Digest | undefined {
  return name.startsWith(prefix) ? parseDigest(`${algorithm}:${name}`) : undefined;
}
