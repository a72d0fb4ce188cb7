import type { BodyReader } from '../http/body.js';
import type { Digest } from '../oci/digest.js';
import { createBoundedMap } from './bounded-map.js';

/** The largest content that is kept in memory: manifests and image configurations, of which every pull asks for a few. */
export const HOT_CONTENT_BYTES = 64 * 1024;
/** What one costs besides its bytes. */
const OVERHEAD_BYTES = 512;

/** Small contents in memory, so that nothing on disk is touched for what is asked for all the time. */
export interface HotContent {
  open(digest: Digest): BodyReader | undefined;
  /** Keeps bytes that were checked, which nobody changes any more. */
  keep(digest: Digest, bytes: Uint8Array): BodyReader;
  drop(digest: Digest): void;
}

/** Keeps at most `totalBytes`, and lets go of what was asked for longest ago. */
export function createHotContent(totalBytes: number): HotContent {
  const kept = createBoundedMap<Digest, Uint8Array>(totalBytes, (bytes) => bytes.byteLength + OVERHEAD_BYTES);
  return {
    open(digest) {
      const bytes = kept.get(digest);
      return bytes && readerOf(bytes);
    },
    keep(digest, bytes) {
      kept.set(digest, bytes);
      return readerOf(bytes);
    },
    drop: (digest) => kept.delete(digest),
  };
}

function readerOf(bytes: Uint8Array): BodyReader {
  return {
    sizeBytes: bytes.byteLength,
    whole: bytes,
    async read(offset, maxBytes) {
      if (offset >= bytes.byteLength) return undefined;
      return { bytes: bytes.subarray(offset, offset + Math.max(1, maxBytes)), release: nothing };
    },
    close: nothing,
  };
}

function nothing(): void {
  // The bytes belong to the map.
}
