import type { Digest } from '../oci/digest.js';
import { MAX_MANIFEST_BYTES, readManifest } from '../oci/manifest.js';
import type { Entry } from './contract.js';

/** An index of indexes of manifests, and what those list. */
const DEEPEST = 4;

/** What a tree is read from. */
export interface ManifestSource {
  find(digest: Digest): Promise<Entry | undefined>;
  readAll(digest: Digest, limitBytes: number): Promise<Uint8Array | undefined>;
}

/** Adds a digest and all that it lists, as far as the manifests are held, to `into`. */
export async function addTree(source: ManifestSource, root: Digest, into: Set<Digest>): Promise<void> {
  const seen = new Set<Digest>();
  let level: readonly Digest[] = [root];
  for (let depth = 0; depth < DEEPEST && level.length > 0; depth += 1) {
    const next: Digest[] = [];
    for (const digest of level) {
      if (seen.has(digest)) continue;
      seen.add(digest);
      into.add(digest);
      next.push(...(await listedBy(source, digest)));
    }
    level = next;
  }
  for (const digest of level) into.add(digest);
}

async function listedBy(source: ManifestSource, digest: Digest): Promise<readonly Digest[]> {
  const entry = await source.find(digest);
  if (entry?.mediaType === undefined) return [];
  const bytes = await source.readAll(digest, MAX_MANIFEST_BYTES).catch(() => undefined);
  const manifest = bytes && readManifest(bytes, entry.mediaType);
  return manifest?.descriptors.map((descriptor) => descriptor.digest) ?? [];
}
