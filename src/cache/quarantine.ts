import fs from 'node:fs/promises';
import path from 'node:path';
import type { Space } from './budget.js';
import { quarantineFolder } from './content-paths.js';
import type { Totals } from './contract.js';

const LIMIT_BYTES = 1024 ** 3;
/** Of the budget: what is of use only to whoever looks for the cause must not push out what is of use to clients. */
const LIMIT_SHARE = 0.1;

/** What damaged files may take in all; `space` is undefined where the store has no limit. */
export function quarantineLimitBytes(space: Space | undefined): number {
  return Math.min(LIMIT_BYTES, (space?.budgetBytes ?? Number.POSITIVE_INFINITY) * LIMIT_SHARE);
}

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
