import { constants } from 'node:fs';
import type { Digest } from '../oci/digest.js';
import { contentPath } from './content-paths.js';
import { damageReason } from './content-reader.js';
import type { DataFolder } from './data-folder.js';
import { errorCode, type FileFacts, type FileSystem } from './file-system.js';
import { type Pace, type Rehash, rehash } from './rehash.js';
import type { Sums } from './sums.js';
import { readSums, replaceSums } from './sums-file.js';

/** `unreadable` says nothing about the content: there were no descriptors left, or no right to open the file. */
export type Verdict = 'good' | 'bad' | 'missing' | 'unreadable';

export interface CheckedContent {
  readonly verdict: Verdict;
  /** Bytes that were read to find out. */
  readonly bytes: number;
}

/** Hashes the whole file of a digest. Rejects only with what `pace` rejects with. */
export type ContentCheck = (digest: Digest, pace?: Pace) => Promise<CheckedContent>;

export interface ContentCheckOptions {
  readonly files: FileSystem;
  readonly folder: Pick<DataFolder, 'directory' | 'generation'>;
  /** Takes a damaged file away; `ino` tells it from a file that has taken its place since. */
  readonly onDamage: (digest: Digest, ino: number, reason: string) => Promise<void>;
  /** Runs a task while nothing else changes what is stored under the digest. */
  readonly inTurn: (digest: Digest, task: () => Promise<void>) => Promise<void>;
  /** What the store knows of the content, for sums that were lost. */
  readonly describe: (digest: Digest) => Promise<Pick<Sums, 'mediaType' | 'storedAt'> | undefined>;
}

/**
 * Makes the check that the scrubber and `verify` share. It looks at files alone, so it finds damage that no row tells
 * of; a good file whose sums are lost, wrong or of another generation gets new ones.
 */
export function createContentCheck(options: ContentCheckOptions): ContentCheck {
  const { files, folder, onDamage } = options;

  async function check(digest: Digest, pace?: Pace): Promise<CheckedContent> {
    const path = contentPath(folder.directory, digest);
    let fd: number | undefined;
    try {
      fd = await files.open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
      const file = await files.factsOf(fd);
      return file.isFile ? await checkFile(digest, fd, file, pace) : await bad(digest, file.ino, 'it is not a file', 0);
    } catch (error) {
      if (error instanceof Stopped) throw error.cause;
      return { verdict: isMissing(error) ? 'missing' : 'unreadable', bytes: 0 };
    } finally {
      if (fd !== undefined) await files.close(fd).catch(() => {});
    }
  }

  async function checkFile(digest: Digest, fd: number, file: FileFacts, pace?: Pace): Promise<CheckedContent> {
    let found: Rehash;
    try {
      found = await rehash(files, fd, digest, pace && stoppable(pace));
    } catch (error) {
      const reason = damageReason(error);
      if (reason === undefined) throw error;
      return bad(digest, file.ino, reason, file.sizeBytes);
    }
    if (!found.matches) return bad(digest, file.ino, 'the bytes do not have their digest', found.sizeBytes);
    await options.inTurn(digest, () => renewSums(digest, file.ino, found));
    return { verdict: 'good', bytes: found.sizeBytes };
  }

  async function bad(digest: Digest, ino: number, reason: string, bytes: number): Promise<CheckedContent> {
    await onDamage(digest, ino, reason);
    return { verdict: 'bad', bytes };
  }

  /** Sums that cannot be written cost another check of the whole file, no more. */
  async function renewSums(digest: Digest, ino: number, { sizeBytes, crcs }: Rehash): Promise<void> {
    const { directory, generation } = folder;
    const sums = await readSums(directory, digest);
    if (sums?.generation === generation && sums.sizeBytes === sizeBytes && isEqual(sums.crcs, crcs)) return;
    const standing = await files.factsAt(contentPath(directory, digest)).catch(() => undefined);
    if (standing?.ino !== ino) return;
    const { mediaType, storedAt } = sums ??
      (await options.describe(digest)) ?? { mediaType: undefined, storedAt: standing.mtimeMs };
    await replaceSums(files, directory, digest, { sizeBytes, mediaType, storedAt, generation, crcs }).catch(() => {});
  }

  return check;
}

/** Carries what a pace rejected with past the handling of files that cannot be read. */
class Stopped extends Error {}

function stoppable(pace: Pace): Pace {
  return async (bytes) => {
    try {
      await pace(bytes);
    } catch (error) {
      throw new Stopped('stopped', { cause: error });
    }
  };
}

function isMissing(error: unknown): boolean {
  const code = errorCode(error);
  return code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP';
}

function isEqual(a: Uint32Array, b: Uint32Array): boolean {
  return a.length === b.length && a.every((value, n) => value === b[n]);
}
