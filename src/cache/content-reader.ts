import { crc32 } from 'node:zlib';
import { ProxyError } from '../errors.js';
import type { BodyReader, Piece } from '../http/body.js';
import type { BufferPool } from './buffer-pool.js';
import type { ChunkChecks } from './chunk-checks.js';
import { errorCode, type FileSystem, storeFault } from './file-system.js';
import { CHUNK_BYTES } from './sums.js';

/** So little is read at first, because a client that soon stalls then holds no more; connections take 4 MiB before they do. */
const FIRST_READ_BYTES = 256 * 1024;
const FIRST_READS = 16;
const READ_BYTES = 1024 * 1024;
/** While more than this is lent out, nothing is read before it is asked for: there is enough to do meanwhile. */
const READ_AHEAD_BYTES = 3 * READ_BYTES;

export interface ContentReaderOptions {
  readonly files: FileSystem;
  /** Belongs to the reader from now on. */
  readonly fd: number;
  readonly checks: ChunkChecks;
  readonly pool: BufferPool;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** Called with what was found, before the read rejects. */
  readonly onDamage: (reason: string) => Promise<void>;
}

/** Reads a stored file, each chunk checked against its sum before it leaves. Reads may overlap. */
export class ContentReader implements BodyReader {
  readonly sizeBytes: number;
  readonly #options: ContentReaderOptions;
  #reads = 0;
  #underWay = 0;
  #closed = false;

  constructor(options: ContentReaderOptions) {
    this.#options = options;
    this.sizeBytes = options.checks.sums.sizeBytes;
  }

  get readsAhead(): boolean {
    return this.#options.pool.outBytes <= READ_AHEAD_BYTES;
  }

  async read(offset: number, maxBytes: number): Promise<Piece | undefined> {
    if (this.#closed) throw new ProxyError('internal', 'a reader was used after it was closed');
    if (offset >= this.sizeBytes) return undefined;
    const stepBytes = this.#reads < FIRST_READS ? FIRST_READ_BYTES : READ_BYTES;
    const wantBytes = Math.max(1, Math.min(maxBytes, stepBytes, this.sizeBytes - offset));
    this.#reads += 1;
    this.#underWay += 1;
    // Asking for whole chunks, as an unchecked range has to be read from its chunk's border.
    const buffer = this.#options.pool.take((offset % CHUNK_BYTES) + wantBytes);
    try {
      const bytes = await this.#fill(buffer.bytes, offset, wantBytes);
      return { bytes, release: () => buffer.release() };
    } catch (error) {
      buffer.release();
      throw await this.#explain(error);
    } finally {
      this.#underWay -= 1;
      if (this.#closed) this.#closeWhenIdle();
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#closeWhenIdle();
  }

  /** A descriptor closed under a read could be another file's by the time the read happens. */
  #closeWhenIdle(): void {
    if (this.#underWay === 0) this.#options.files.close(this.#options.fd).catch(() => {});
  }

  async #fill(buffer: Uint8Array, offset: number, wantBytes: number): Promise<Uint8Array> {
    const { checks, now } = this.#options;
    const fitting = Math.min(wantBytes, buffer.byteLength);
    if (checks.covers(offset, fitting, now())) return this.#exactly(buffer, offset, fitting);
    if (buffer.byteLength < CHUNK_BYTES) return this.#fillSmall(buffer, offset, fitting);
    const start = offset - (offset % CHUNK_BYTES);
    const chunks = Math.min(
      Math.floor(buffer.byteLength / CHUNK_BYTES),
      Math.ceil((offset + wantBytes - start) / CHUNK_BYTES),
    );
    const end = Math.min(this.sizeBytes, start + chunks * CHUNK_BYTES);
    const read = await this.#exactly(buffer, start, end - start);
    for (let at = 0; at < read.byteLength; at += CHUNK_BYTES) {
      const chunkStart = start + at;
      if (checks.covers(chunkStart, 1, now())) continue;
      this.#accept(chunkStart / CHUNK_BYTES, crc32(read.subarray(at, at + CHUNK_BYTES)));
    }
    return read.subarray(offset - start, Math.min(offset - start + wantBytes, read.byteLength));
  }

  /** With a buffer smaller than a chunk, the chunk is read through it once to be checked, then the wanted part again. */
  async #fillSmall(buffer: Uint8Array, offset: number, wantBytes: number): Promise<Uint8Array> {
    const chunk = Math.floor(offset / CHUNK_BYTES);
    const end = Math.min(this.sizeBytes, (chunk + 1) * CHUNK_BYTES);
    let crc = 0;
    for (let at = chunk * CHUNK_BYTES; at < end; at += buffer.byteLength) {
      crc = crc32(await this.#exactly(buffer, at, Math.min(buffer.byteLength, end - at)), crc);
    }
    this.#accept(chunk, crc);
    return this.#exactly(buffer, offset, Math.min(wantBytes, end - offset));
  }

  #accept(chunk: number, crc: number): void {
    const { checks, now } = this.#options;
    if (!checks.accept(chunk, crc, now())) throw new Damage(`chunk ${chunk} does not match its sum`);
  }

  async #exactly(buffer: Uint8Array, offset: number, lengthBytes: number): Promise<Uint8Array> {
    const { files, fd } = this.#options;
    const got = await files.readAt(fd, buffer, lengthBytes, offset);
    if (got !== lengthBytes) throw new Damage(`the file ends at byte ${offset + got}`);
    return buffer.subarray(0, lengthBytes);
  }

  async #explain(error: unknown): Promise<ProxyError> {
    const reason = damageReason(error);
    if (reason === undefined) return storeFault('read stored content', error);
    await this.#options.onDamage(reason);
    return new ProxyError('content-damaged', `stored content is damaged: ${reason}`, { cause: error });
  }
}

class Damage extends Error {}

/** Says what is wrong with the file where an error means that its bytes are lost; undefined for faults around it. */
export function damageReason(error: unknown): string | undefined {
  if (error instanceof Damage) return error.message;
  return errorCode(error) === 'EIO' ? 'the disk cannot read it (EIO)' : undefined;
}
