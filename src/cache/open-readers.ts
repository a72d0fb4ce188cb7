import type { BodyReader } from '../http/body.js';
import type { Digest } from '../oci/digest.js';

/** Which stored content is being read now. */
export interface OpenReaders {
  has(digest: Digest): boolean;
  /** The same reader, counted until it is closed. */
  track(digest: Digest, reader: BodyReader): BodyReader;
}

export function createOpenReaders(): OpenReaders {
  const counts = new Map<Digest, number>();

  function count(digest: Digest, change: 1 | -1): void {
    const left = (counts.get(digest) ?? 0) + change;
    if (left === 0) counts.delete(digest);
    else counts.set(digest, left);
  }

  return {
    has: (digest) => counts.has(digest),
    track(digest, reader) {
      // What is in memory needs no file: it may be evicted meanwhile.
      if (reader.whole !== undefined) return reader;
      count(digest, 1);
      let isOpen = true;
      return {
        sizeBytes: reader.sizeBytes,
        get readsAhead() {
          return reader.readsAhead === true;
        },
        read: (offset, maxBytes) => reader.read(offset, maxBytes),
        close() {
          if (isOpen) count(digest, -1);
          isOpen = false;
          reader.close();
        },
      };
    },
  };
}
