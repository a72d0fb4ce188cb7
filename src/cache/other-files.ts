import fs from 'node:fs/promises';
import path from 'node:path';
import { quarantineFolder, spoolFolder } from './content-paths.js';
import { inBlocks } from './footprint.js';

/**
 * What the data folder takes on the disk besides stored content: the index, the log of facts, what is in quarantine, and
 * what the spool holds besides the files that `isOpenSpool` knows. What cannot be looked at counts as nothing.
 */
export async function otherFilesBytes(directory: string, isOpenSpool: (file: string) => boolean): Promise<number> {
  const folders = [directory, quarantineFolder(directory), spoolFolder(directory)];
  let bytes = 0;
  for (const folder of folders) {
    const names = await fs.readdir(folder).catch(() => []);
    for (const name of names) {
      const file = path.join(folder, name);
      if (isOpenSpool(file)) continue;
      const stat = await fs.lstat(file).catch(() => undefined);
      if (stat?.isFile() === true) bytes += inBlocks(stat.size);
    }
  }
  return bytes;
}
