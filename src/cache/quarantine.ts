import fs from 'node:fs/promises';
import path from 'node:path';
import { quarantineFolder } from './content-paths.js';
import type { Totals } from './contract.js';

/** What was put aside because it was damaged, and is still there. What cannot be looked at counts as nothing. */
export async function quarantineTotals(directory: string): Promise<Totals> {
  const folder = quarantineFolder(directory);
  let bytes = 0;
  let entries = 0;
  for (const name of await fs.readdir(folder).catch(() => [])) {
    const stat = await fs.lstat(path.join(folder, name)).catch(() => undefined);
    if (stat === undefined) continue;
    bytes += stat.size;
    entries += 1;
  }
  return { bytes, entries };
}
