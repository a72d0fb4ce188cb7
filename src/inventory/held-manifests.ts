import type { Inventory, StoredEntry } from '../cache/contract.js';
import { type Digest, digestHex } from '../oci/digest.js';

const PAGE_ENTRIES = 250;

export interface FoundManifest {
  readonly entry: StoredEntry;
  /** How much of the store was looked through, from 0 to 1; digests are spread evenly. */
  readonly share: number;
}

/** All entries of manifests, read in pages. */
export async function* heldManifests(inventory: Pick<Inventory, 'list'>): AsyncGenerator<FoundManifest> {
  let after: string | undefined;
  do {
    const page = await inventory.list({
      order: 'digest',
      limit: PAGE_ENTRIES,
      ...(after === undefined ? {} : { after }),
    });
    for (const entry of page.entries) {
      if (entry.mediaType !== undefined) yield { entry, share: shareOf(entry.digest) };
    }
    after = page.next;
  } while (after !== undefined);
}

/** Nearly everything is sha256, and comes first. */
function shareOf(digest: Digest): number {
  return digest.startsWith('sha256:') ? Number.parseInt(digestHex(digest).slice(0, 8), 16) / 2 ** 32 : 1;
}
