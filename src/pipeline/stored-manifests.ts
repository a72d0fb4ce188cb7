import type { CacheStore } from '../cache/contract.js';
import type { Digest } from '../oci/digest.js';
import { MAX_MANIFEST_BYTES, type Manifest, readManifest } from '../oci/manifest.js';

/** Manifests that are kept parsed; a registry's worth of images shares few of them at any time. */
const MAX_PARSED = 1000;

/** The stored manifests, parsed, for the access rule. A manifest is immutable, so what was read once stays right. */
export interface StoredManifests {
  read(digest: Digest): Promise<Manifest | undefined>;
  /** Tells of a manifest whose bytes were verified just now and are still on their way to disk. */
  add(digest: Digest, bytes: Uint8Array, contentType: string): void;
}

export function createStoredManifests(store: Pick<CacheStore, 'lookup' | 'readAll'>): StoredManifests {
  const parsed = new Map<Digest, Manifest>();

  function keep(digest: Digest, manifest: Manifest | undefined): Manifest | undefined {
    if (!manifest) return undefined;
    parsed.delete(digest);
    parsed.set(digest, manifest);
    const oldest = parsed.keys().next();
    if (parsed.size > MAX_PARSED && !oldest.done) parsed.delete(oldest.value);
    return manifest;
  }

  return {
    async read(digest) {
      const known = parsed.get(digest);
      if (known) return keep(digest, known);
      const entry = await store.lookup(digest);
      if (!entry?.mediaType) return undefined;
      const bytes = await store.readAll(digest, MAX_MANIFEST_BYTES);
      return bytes && keep(digest, readManifest(bytes, entry.mediaType));
    },
    add(digest, bytes, contentType) {
      keep(digest, readManifest(bytes, contentType));
    },
  };
}
