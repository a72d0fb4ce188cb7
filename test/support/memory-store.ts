import { createHash } from 'node:crypto';
import type { CacheStore, Entry, Spool } from '../../src/cache/contract.js';
import { ProxyError } from '../../src/errors.js';
import type { BodyReader } from '../../src/http/body.js';
import { type Digest, digestOf } from '../../src/oci/digest.js';

interface Content {
  readonly entry: Entry;
  readonly bytes: Buffer;
}

/** A store in memory. Keeps to the same contract as the one on disk (test/contract/cache-store.ts runs for both). */
export function createMemoryStore(): CacheStore {
  const held = new Map<Digest, Content>();

  function keep(digest: Digest, bytes: Buffer, mediaType: string | undefined): Entry {
    const standing = held.get(digest);
    if (standing !== undefined && (standing.entry.mediaType !== undefined || mediaType === undefined))
      return standing.entry;
    const storedAt = standing?.entry.storedAt ?? Date.now();
    const entry = { digest, sizeBytes: bytes.byteLength, mediaType, storedAt };
    held.set(digest, { entry, bytes });
    return entry;
  }

  return {
    lookup: async (digest) => held.get(digest)?.entry,
    async open(digest) {
      const content = held.get(digest);
      return content === undefined ? undefined : readerOf(content.bytes);
    },
    async readAll(digest, limitBytes) {
      const content = held.get(digest);
      return content === undefined || content.bytes.byteLength > limitBytes ? undefined : Buffer.from(content.bytes);
    },
    createSpool: async () => memorySpool(keep),
    put: async (digest, bytes, mediaType) => keep(digest, Buffer.from(bytes), mediaType),
    async remove(digest) {
      held.delete(digest);
    },
    get usage() {
      let bytes = 0;
      for (const content of held.values()) bytes += content.bytes.byteLength;
      return { bytes, entries: held.size };
    },
    fault: undefined,
    close: async () => {},
  };
}

function memorySpool(keep: (digest: Digest, bytes: Buffer, mediaType: string | undefined) => Entry): Spool {
  let bytes = Buffer.alloc(0);
  let closed = false;
  let committed = false;

  function mustBeOpen(): void {
    if (closed) throw new ProxyError('store', 'the spool is closed');
  }

  return {
    get writtenBytes() {
      return bytes.byteLength;
    },
    async append(more) {
      mustBeOpen();
      if (committed) throw new ProxyError('internal', 'a spool was appended to after its commit');
      bytes = Buffer.concat([bytes, more]);
    },
    async read(into, offset) {
      mustBeOpen();
      const part = bytes.subarray(offset, offset + into.byteLength);
      into.set(part);
      return part.byteLength;
    },
    async commit(digest, mediaType) {
      mustBeOpen();
      committed = true;
      return keep(digest, bytes, mediaType);
    },
    async close() {
      closed = true;
    },
  };
}

function readerOf(bytes: Buffer): BodyReader {
  let closed = false;
  return {
    sizeBytes: bytes.byteLength,
    async read(offset, maxBytes) {
      if (closed) throw new ProxyError('internal', 'a reader was used after it was closed');
      if (offset >= bytes.byteLength) return undefined;
      return { bytes: bytes.subarray(offset, offset + maxBytes), release: () => {} };
    },
    close() {
      closed = true;
    },
  };
}

/** The sha256 digest of some bytes. */
export function digestOfBytes(bytes: Uint8Array): Digest {
  return digestOf('sha256', createHash('sha256').update(bytes).digest('hex'));
}
