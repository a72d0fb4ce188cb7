import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { folderFault } from './file-system.js';

const ID = /^[0-9a-f]{16}$/;

/**
 * The random id of the installation that this data folder belongs to, made when it is first asked for. It stands in
 * Via, where it tells a request that came back from one that another installation sent. Rejects with a `store` fault.
 */
export async function readInstallationId(directory: string): Promise<string> {
  const file = join(directory, 'installation-id');
  const known = (await readFile(file, 'utf8').catch(() => '')).trim();
  if (ID.test(known)) return known;
  const id = randomBytes(8).toString('hex');
  try {
    await writeFile(file, `${id}\n`);
  } catch (error) {
    throw folderFault(`write ${file}`, error);
  }
  return id;
}
