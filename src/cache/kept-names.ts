import { createHash, randomBytes } from 'node:crypto';
import path from 'node:path';
import { type Digest, digestAlgorithm, digestHex } from '../oci/digest.js';
import { spoolFolder } from './content-paths.js';

/** Behind the name of a spool, for the side-car that says how much of it is good. */
export const KEPT_SUFFIX = '.kept';

/** Algorithm and digest, the scope hashed, the expected length (`x` where nobody knows it), and chance. */
const NAME = /^(?<stem>sha(?:256|512)-[0-9a-f]{64,128}-[0-9a-f]{32})-(?<expected>x|\d{1,15})-[0-9a-f]{12}$/;

/** What a name in the spool folder tells of a spool that may be kept. */
export interface KeptName {
  /** The same for the same content from the same registry and repository, and for nothing else. */
  readonly stem: string;
  readonly expectedBytes: number | undefined;
}

/** No repository name becomes a file name: the scope is hashed. */
export function keptStem(digest: Digest, scope: string): string {
  const hashed = createHash('sha256').update(scope).digest('hex').slice(0, 32);
  return `${digestAlgorithm(digest)}-${digestHex(digest)}-${hashed}`;
}

/** A new name for a spool that may be kept. */
export function newKeptPath(directory: string, stem: string, expectedBytes: number | undefined): string {
  return path.join(spoolFolder(directory), `${stem}-${expectedBytes ?? 'x'}-${randomBytes(6).toString('hex')}`);
}

/** Undefined for whatever is not the name of such a spool. */
export function parseKeptName(name: string): KeptName | undefined {
  const { stem, expected } = NAME.exec(name)?.groups ?? {};
  if (stem === undefined) return undefined;
  return { stem, expectedBytes: expected === 'x' ? undefined : Number(expected) };
}

/** Whether a file of the spool folder is a spool that may have been kept, or the side-car of one. */
export function isKeptFile(name: string): boolean {
  return parseKeptName(name.endsWith(KEPT_SUFFIX) ? name.slice(0, -KEPT_SUFFIX.length) : name) !== undefined;
}
