import { crc32 } from 'node:zlib';

/** Bytes of content that one sum covers; only a content's last chunk is shorter. */
export const CHUNK_BYTES = 256 * 1024;

/** What the side-car of a content file says. */
export interface Sums {
  readonly sizeBytes: number;
  /** The media type of a manifest as it was delivered; undefined for blobs. */
  readonly mediaType: string | undefined;
  /** When the content was committed, milliseconds since the epoch. */
  readonly storedAt: number;
  /** The data folder's generation when the whole digest was last found right: 32 hex digits. */
  readonly generation: string;
  /** CRC-32 of each chunk. */
  readonly crcs: Uint32Array;
}

const MAGIC = Buffer.from('entrsums', 'latin1');
const FORMAT = 1;
const HEAD_BYTES = 8 + 4 + 4 + 8 + 8 + 16 + 2;
const MEDIA_TYPE_LIMIT_BYTES = 1024;

/** The number of chunks that content of a size has. */
export function chunkCount(sizeBytes: number): number {
  return Math.ceil(sizeBytes / CHUNK_BYTES);
}

/** Writes a side-car: head, media type, one CRC-32 per chunk, and a CRC-32 of all that; numbers are little-endian. */
export function encodeSums(sums: Sums): Buffer {
  const mediaType = Buffer.from(sums.mediaType ?? '', 'utf8').subarray(0, MEDIA_TYPE_LIMIT_BYTES);
  const bytes = Buffer.alloc(HEAD_BYTES + mediaType.length + 4 * sums.crcs.length + 4);
  MAGIC.copy(bytes, 0);
  bytes.writeUInt32LE(FORMAT, 8);
  bytes.writeUInt32LE(CHUNK_BYTES, 12);
  bytes.writeBigUInt64LE(BigInt(sums.sizeBytes), 16);
  bytes.writeDoubleLE(sums.storedAt, 24);
  bytes.write(sums.generation, 32, 16, 'hex');
  bytes.writeUInt16LE(mediaType.length, 48);
  mediaType.copy(bytes, HEAD_BYTES);
  let at = HEAD_BYTES + mediaType.length;
  for (const crc of sums.crcs) at = bytes.writeUInt32LE(crc, at);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, at)), at);
  return bytes;
}

/** Reads a side-car; undefined where anything about it is wrong. */
export function decodeSums(bytes: Buffer): Sums | undefined {
  if (bytes.length < HEAD_BYTES + 4 || !bytes.subarray(0, 8).equals(MAGIC)) return undefined;
  const end = bytes.length - 4;
  if (bytes.readUInt32LE(end) !== crc32(bytes.subarray(0, end))) return undefined;
  if (bytes.readUInt32LE(8) !== FORMAT || bytes.readUInt32LE(12) !== CHUNK_BYTES) return undefined;
  const sizeBytes = Number(bytes.readBigUInt64LE(16));
  const mediaTypeBytes = bytes.readUInt16LE(48);
  const start = HEAD_BYTES + mediaTypeBytes;
  if (end - start !== 4 * chunkCount(sizeBytes)) return undefined;
  const crcs = new Uint32Array(chunkCount(sizeBytes));
  for (let n = 0; n < crcs.length; n += 1) crcs[n] = bytes.readUInt32LE(start + 4 * n);
  return {
    sizeBytes,
    mediaType: mediaTypeBytes === 0 ? undefined : bytes.toString('utf8', HEAD_BYTES, start),
    storedAt: bytes.readDoubleLE(24),
    generation: bytes.toString('hex', 32, 48),
    crcs,
  };
}

/** Takes the sums of bytes as they come, in pieces of any length. */
export class RunningSums {
  readonly #done: number[] = [];
  #current = 0;
  #filledBytes = 0;

  update(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.byteLength) {
      const end = Math.min(bytes.byteLength, at + CHUNK_BYTES - this.#filledBytes);
      this.#current = crc32(bytes.subarray(at, end), this.#current);
      this.#filledBytes += end - at;
      at = end;
      if (this.#filledBytes === CHUNK_BYTES) {
        this.#done.push(this.#current);
        this.#current = 0;
        this.#filledBytes = 0;
      }
    }
  }

  /** The sums of all bytes so far, the last and shorter chunk included. */
  crcs(): Uint32Array {
    return Uint32Array.from(this.#filledBytes === 0 ? this.#done : [...this.#done, this.#current]);
  }
}
