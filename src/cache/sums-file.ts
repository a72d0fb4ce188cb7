import { constants } from 'node:fs';
import fsPromises from 'node:fs/promises';
import type { Digest } from '../oci/digest.js';
import { newSpoolPath, sumsPath } from './content-paths.js';
import { discardFile, type FileSystem } from './file-system.js';
import { decodeSums, encodeSums, type Sums } from './sums.js';

/** Reads a digest's side-car; undefined where it is missing, unreadable or damaged. */
export async function readSums(directory: string, digest: Digest): Promise<Sums | undefined> {
  try {
    return decodeSums(await fsPromises.readFile(sumsPath(directory, digest)));
  } catch {
    return undefined;
  }
}

/**
 * Puts other sums in the place of a digest's. Whether they reach the disk is not waited for: sums that are lost cost
 * another check of the whole file. Rejects with the system's error.
 */
export async function replaceSums(files: FileSystem, directory: string, digest: Digest, sums: Sums): Promise<void> {
  const draft = await writeSums(files, directory, sums, false);
  try {
    await files.rename(draft, sumsPath(directory, digest));
  } catch (error) {
    await discardFile(files, draft);
    throw error;
  }
}

/**
 * Writes a side-car under a name of its own in the spool folder and gives that name; a rename makes it count. With
 * `durable` its bytes are on the disk before this resolves.
 */
export async function writeSums(files: FileSystem, directory: string, sums: Sums, durable: boolean): Promise<string> {
  const path = newSpoolPath(directory);
  const fd = await files.open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL);
  try {
    await files.writeAt(fd, encodeSums(sums), 0);
    if (durable) await files.dataSync(fd);
  } catch (error) {
    await discardFile(files, path);
    throw error;
  } finally {
    await files.close(fd);
  }
  return path;
}
