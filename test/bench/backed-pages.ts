import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';

const MIB = 1024 * 1024;
/** More than any of the cold cases writes. */
const BALLAST_BYTES = 1536 * MIB;

/**
 * Leaves the kernel with free pages that the machine really has. Under a hypervisor that takes free memory back, the
 * first touch of a page costs more than all the work that is done with it, and whoever's files were removed a moment
 * ago pays nothing: which of the servers that is would be chance.
 */
export async function backPages(folder: string): Promise<void> {
  const path = join(folder, 'ballast');
  const file = await open(path, 'w');
  try {
    const bytes = Buffer.alloc(MIB, 1);
    for (let at = 0; at < BALLAST_BYTES; at += bytes.length) await file.write(bytes, 0, bytes.length, at);
  } finally {
    await file.close();
    await rm(path);
  }
}
