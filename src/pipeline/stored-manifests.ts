import type { HeldManifest } from '../access/access.js';
import type { CacheStore } from '../cache/contract.js';
import type { Digest } from '../oci/digest.js';
import { MAX_MANIFEST_BYTES, readManifest } from '../oci/manifest.js';

/** Manifests that are kept parsed; a registry's worth of images shares few of them at any time. */
const MAX_PARSED = 1000;
/** What they may list together: a manifest of 4 MiB lists tens of thousands, and whoever runs a registry can make many. */
const MAX_DESCRIPTORS = 200_000;

/** The stored manifests, parsed, for the access rule. A manifest is immutable, so what was read once stays right. */
export interface StoredManifests {
  read(digest: Digest): Promise<HeldManifest | undefined>;
  /**
   * Tells of a manifest whose bytes were verified just now and are still on their way to disk. Gives it parsed;
   * undefined where it can be read in more than one way, or not at all.
   */
  add(digest: Digest, bytes: Uint8Array, contentType: string): HeldManifest | undefined;
}

export function createStoredManifests(store: Pick<CacheStore, 'lookup' | 'readAll'>): StoredManifests {
  const parsed = new Map<Digest, HeldManifest>();
  let descriptors = 0;

  function drop(digest: Digest): void {
    descriptors -= parsed.get(digest)?.descriptors.length ?? 0;
    parsed.delete(digest);
  }

  function keep(digest: Digest, manifest: HeldManifest): HeldManifest {
    drop(digest);
    parsed.set(digest, manifest);
    descriptors += manifest.descriptors.length;
    for (const oldest of parsed.keys()) {
      if (parsed.size <= MAX_PARSED && descriptors <= MAX_DESCRIPTORS) break;
      drop(oldest);
    }
    return manifest;
  }

  function parse(digest: Digest, bytes: Uint8Array, contentType: string): HeldManifest | undefined {
    const manifest = readManifest(bytes, contentType);
    return manifest && keep(digest, { ...manifest, sizeBytes: bytes.length });
  }

  return {
    async read(digest) {
      const known = parsed.get(digest);
      if (known) return keep(digest, known);
      // A disk that fails gives no rights, and costs the client a question to the registry.
      const entry = await store.lookup(digest).catch(() => undefined);
      if (!entry?.mediaType) return undefined;
      const bytes = await store.readAll(digest, MAX_MANIFEST_BYTES).catch(() => undefined);
      return bytes && parse(digest, bytes, entry.mediaType);
    },
    add: parse,
  };
}
