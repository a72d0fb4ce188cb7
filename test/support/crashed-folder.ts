import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import type { StoreEvents } from '../../src/cache/contract.js';
import { type Cache, openCache } from '../../src/cache/open-cache.js';
import type { Digest } from '../../src/oci/digest.js';
import { readFrom } from '../contract/cache-store.js';
import { digestOfBytes } from './memory-store.js';

/**
 * Starts on a folder as it lies after a crash, looks at everything that it says and holds, and at whether it can be
 * worked with. Gives which of the known contents it has; `look` may look at more.
 */
export async function inspectCrashed(
  directory: string,
  known: readonly Buffer[],
  events: StoreEvents,
  look: (cache: Cache) => Promise<void> = async () => {},
): Promise<ReadonlySet<Digest>> {
  const cache = await openCache({ directory, events });
  try {
    await cache.rebuilt;
    const present = new Set<Digest>();
    for (const bytes of known) {
      const digest = digestOfBytes(bytes);
      const read = await cache.store.open(digest).then((reader) => {
        reader?.close();
        return reader && readFrom(cache.store, digest, 0);
      });
      if (read === undefined) continue;
      assert.ok(bytes.equals(read), 'wrong bytes');
      present.add(digest);
    }
    await assertSound(cache, directory, present.size);
    await look(cache);
    for (const bytes of known) {
      await cache.store.put(digestOfBytes(bytes), bytes, undefined);
      assert.ok(bytes.equals((await readFrom(cache.store, digestOfBytes(bytes), 0)) ?? Buffer.alloc(0)));
    }
    return present;
  } finally {
    await cache.close();
  }
}

async function assertSound(cache: Cache, directory: string, present: number): Promise<void> {
  assert.equal(cache.store.usage.entries, present);
  assert.deepEqual(await fs.readdir(path.join(directory, 'spool')), []);
  const root = path.join(directory, 'blobs');
  const files = (await fs.readdir(root, { recursive: true, withFileTypes: true })).filter((one) => one.isFile());
  for (const { parentPath, name } of files.filter((one) => !one.name.endsWith('.sum'))) {
    const bytes = await fs.readFile(path.join(parentPath, name));
    assert.equal(createHash('sha256').update(bytes).digest('hex'), name);
  }
}
