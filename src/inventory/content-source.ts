import type { StoredEntry } from '../cache/contract.js';
import type { Digest } from '../oci/digest.js';
import { MAX_MANIFEST_BYTES } from '../oci/manifest.js';
import { type ManifestDetails, readDetails } from './manifest-details.js';

/** What the inventory reads of the store. Looking at content is no use of it. */
export interface ContentSource {
  describe(digest: Digest): Promise<StoredEntry | undefined>;
  /** Whole content; undefined where it is not held, larger than `limitBytes`, or cannot be read. */
  peek(digest: Digest, limitBytes: number): Promise<Uint8Array | undefined>;
}

/** A stored manifest, read; undefined where the entry is none, or none that can be read in one way only. */
export async function readHeld(source: ContentSource, entry: StoredEntry): Promise<ManifestDetails | undefined> {
  if (entry.mediaType === undefined) return undefined;
  const bytes = await source.peek(entry.digest, MAX_MANIFEST_BYTES);
  return bytes && readDetails(bytes, entry.mediaType);
}
