import { randomBytes } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import { ProxyError } from '../errors.js';
import { quarantineFolder, spoolFolder } from './content-paths.js';
import { errorCode, folderFault } from './file-system.js';
import { isKeptFile } from './kept-names.js';
import { takeLock } from './lock.js';

/** The format of content files, side-cars and the facts' log. */
const FORMAT = 1;

/** A data folder that belongs to this process until `release`. */
export interface DataFolder {
  readonly directory: string;
  /**
   * 32 hex digits that change with every unclean stop. A content file counts as whole only where its side-car carries
   * the present generation; any other is hashed again before it is served. No clock is needed for that.
   */
  readonly generation: string;
  /** True where the previous process died without closing the folder. */
  readonly afterCrash: boolean;
  release(): Promise<void>;
}

/**
 * Takes a data folder into use: makes it where it is missing, locks it, checks its format, sweeps what was still being
 * written. Rejects with a `store` fault of one sentence where it is in use, of a newer format, or not writable.
 */
export async function openDataFolder(directory: string): Promise<DataFolder> {
  await makeFolders(directory);
  const lock = await takeLock(directory, () => newGeneration(directory)).catch((error: unknown) => {
    throw folderFault(`lock the data folder ${directory}`, error);
  });
  try {
    await checkFormat(directory);
    await sweepSpool(directory);
    const generation = (await readGeneration(directory)) ?? (await newGeneration(directory));
    return { directory, generation, afterCrash: lock.afterCrash, release: () => lock.release() };
  } catch (error) {
    await lock.release();
    throw folderFault(`open the data folder ${directory}`, error);
  }
}

async function makeFolders(directory: string): Promise<void> {
  const folders = [path.join(directory, 'blobs'), spoolFolder(directory), quarantineFolder(directory)];
  try {
    for (const folder of folders) await makeFolder(folder);
  } catch (error) {
    throw folderFault(`make the data folder ${directory}`, error);
  }
}

/** Makes a folder and those above it. Node's own way says ENOENT where the real reason is that a parent is read-only. */
async function makeFolder(folder: string): Promise<void> {
  const parent = path.dirname(folder);
  try {
    await makeOne(folder);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT' || parent === folder) throw error;
    await makeFolder(parent);
    await makeOne(folder);
  }
}

async function makeOne(folder: string): Promise<void> {
  try {
    await fs.mkdir(folder, { mode: 0o700 });
  } catch (error) {
    const isThere = errorCode(error) === 'EEXIST' && (await fs.stat(folder)).isDirectory();
    if (!isThere) throw error;
  }
}

async function checkFormat(directory: string): Promise<void> {
  const versionPath = path.join(directory, 'VERSION');
  const text = await readIfThere(versionPath);
  if (text === undefined) return writeWhole(versionPath, `${FORMAT}\n`);
  const format = /^[1-9][0-9]{0,8}\n?$/.test(text) ? Number(text) : undefined;
  if (format === undefined) {
    throw new ProxyError(
      'store',
      `${versionPath} does not hold a format number; empty the folder, or choose another with --data-dir`,
    );
  }
  if (format > FORMAT) {
    throw new ProxyError(
      'store',
      `data folder ${directory} has format ${format} of a newer entrepot, and this one knows ${FORMAT}; upgrade, or choose another folder with --data-dir`,
    );
  }
}

async function sweepSpool(directory: string): Promise<void> {
  const folder = spoolFolder(directory);
  // What may go on is looked through by those who keep it.
  const names = (await fs.readdir(folder)).filter((name) => !isKeptFile(name));
  for (const name of names) await fs.rm(path.join(folder, name), { force: true, recursive: true });
}

async function readGeneration(directory: string): Promise<string | undefined> {
  const text = (await readIfThere(path.join(directory, 'generation')))?.trim();
  return text !== undefined && /^[0-9a-f]{32}$/.test(text) ? text : undefined;
}

async function newGeneration(directory: string): Promise<string> {
  const generation = randomBytes(16).toString('hex');
  await writeWhole(path.join(directory, 'generation'), `${generation}\n`);
  return generation;
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await fs.readFile(file, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function writeWhole(file: string, text: string): Promise<void> {
  const draft = `${file}.${randomBytes(6).toString('hex')}`;
  try {
    await fs.writeFile(draft, text, { flag: 'wx', mode: 0o600, flush: true });
    await fs.rename(draft, file);
  } catch (error) {
    await fs.rm(draft, { force: true });
    throw error;
  }
}
