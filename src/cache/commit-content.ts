import type { Digest } from '../oci/digest.js';
import { contentFolder, contentPath, spoolFolder, sumsPath } from './content-paths.js';
import type { DataFolder } from './data-folder.js';
import { discardFile, errorCode, type FileSystem, storeFault } from './file-system.js';
import type { FinishedSpool } from './spool-file.js';
import type { Sums } from './sums.js';
import { readSums, writeSums } from './sums-file.js';

/** What of a commit the file and its side-car tell later. */
export interface ContentDescription {
  readonly digest: Digest;
  readonly mediaType: string | undefined;
  /** Milliseconds since the epoch. */
  readonly storedAt: number;
}

/**
 * Puts a finished spool into its place and gives the sums that stand beside it. The order is what makes a crash
 * harmless: bytes and sums reach the disk under other names, the sums get theirs, then the content; a file under a
 * digest's name is whole. Where the whole content is there already, the spool is dropped and the standing sums are
 * given. Rejects with a `store` fault; nothing then stands under the digest that was not there before.
 */
export async function commitContent(
  files: FileSystem,
  folder: DataFolder,
  spool: FinishedSpool,
  content: ContentDescription,
): Promise<Sums> {
  const { digest, mediaType, storedAt } = content;
  const standing = await wholeContent(files, folder, digest, spool.sizeBytes);
  if (standing !== undefined) {
    await discardFile(files, spool.path);
    const learned = mediaType !== undefined && standing.mediaType === undefined;
    return learned ? withMediaType(files, folder, digest, { ...standing, mediaType }) : standing;
  }
  const sums = { sizeBytes: spool.sizeBytes, mediaType, storedAt, generation: folder.generation, crcs: spool.crcs };
  try {
    await place(files, folder, spool.path, await syncBoth(files, folder.directory, spool.fd, sums), digest);
  } catch (error) {
    throw storeFault('commit content', error);
  }
  return sums;
}

/** Writes down what a manifest is that was first delivered as a blob; otherwise it would be fetched each time. */
async function withMediaType(files: FileSystem, { directory }: DataFolder, digest: Digest, sums: Sums): Promise<Sums> {
  try {
    await files.rename(await writeSums(files, directory, sums, true), sumsPath(directory, digest));
  } catch (error) {
    throw storeFault('write the sums of content', error);
  }
  return sums;
}

/** Brings the spool's bytes and the sums to the disk side by side, and gives the name that the sums have for now. */
async function syncBoth(files: FileSystem, directory: string, fd: number, sums: Sums): Promise<string> {
  const writing = retryInFolder(files, spoolFolder(directory), () => writeSums(files, directory, sums, true));
  // A failed sync is never tried again: the kernel may have thrown the bytes away and would then report success.
  const [draft, synced] = await Promise.allSettled([writing, files.dataSync(fd)]);
  if (draft.status === 'rejected') throw draft.reason;
  if (synced.status === 'fulfilled') return draft.value;
  await discardFile(files, draft.value);
  throw synced.reason;
}

async function place(
  files: FileSystem,
  { directory }: DataFolder,
  spool: string,
  draft: string,
  digest: Digest,
): Promise<void> {
  const target = contentFolder(directory, digest);
  const path = contentPath(directory, digest);
  try {
    await retryInFolder(files, target, () => files.rename(draft, sumsPath(directory, digest)));
    await files.rename(spool, path);
  } catch (error) {
    await discardFile(files, draft);
    throw error;
  }
  try {
    await files.syncFolder(target);
  } catch (error) {
    await discardFile(files, path);
    throw error;
  }
}

/** The folder may be new, or may have been deleted while the proxy runs. */
async function retryInFolder<T>(files: FileSystem, target: string, task: () => Promise<T>): Promise<T> {
  try {
    return await task();
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
  await files.makeFolder(target);
  const parent = target.slice(0, target.lastIndexOf('/'));
  await files.syncFolder(parent);
  return task();
}

/** The sums of content that is in place with the right size and whole since the last unclean stop. */
async function wholeContent(
  files: FileSystem,
  { directory, generation }: DataFolder,
  digest: Digest,
  sizeBytes: number,
): Promise<Sums | undefined> {
  const file = await files.factsAt(contentPath(directory, digest)).catch(() => undefined);
  if (file === undefined || !file.isFile || file.sizeBytes !== sizeBytes) return undefined;
  const sums = await readSums(directory, digest);
  return sums?.sizeBytes === sizeBytes && sums.generation === generation ? sums : undefined;
}
