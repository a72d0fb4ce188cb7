import type { StoredEntry } from '../cache/contract.js';
import type { Digest } from '../oci/digest.js';
import { type ContentSource, readHeld } from './content-source.js';
import { createDigestSet } from './digest-set.js';
import type { ManifestDetails } from './manifest-details.js';

/** Indexes in indexes are followed so deep, as access does. */
const MAX_DEPTH = 4;

/** Held content, with what it lists where it is a manifest. */
export interface HeldContent {
  readonly entry: StoredEntry;
  readonly manifest: ManifestDetails | undefined;
}

/**
 * All held content of the roots and below them, each once, and parts before what lists them: whoever removes them in
 * this order and is interrupted can begin again at the roots.
 */
export async function* heldBelow(
  source: ContentSource,
  roots: AsyncIterable<Digest>,
  turn: () => Promise<void>,
): AsyncGenerator<HeldContent> {
  const seen = createDigestSet();

  async function* below(digest: Digest, depth: number): AsyncGenerator<HeldContent> {
    await turn();
    if (seen.has(digest)) return;
    seen.add(digest);
    const entry = await source.describe(digest);
    if (entry === undefined) return;
    const manifest = await readHeld(source, entry);
    if (manifest !== undefined && depth < MAX_DEPTH) {
      for (const part of manifest.descriptors) yield* below(part.digest, depth + 1);
    }
    yield { entry, manifest };
  }

  for await (const root of roots) yield* below(root, 0);
}
