import { constants } from 'node:fs';
import { crc32 } from 'node:zlib';
import { ProxyError } from '../errors.js';
import type { Digest } from '../oci/digest.js';
import type { Entry, KeptSpool, Spool } from './contract.js';
import { discardFile, type FileSystem, storeFault } from './file-system.js';
import type { KeptPrefix, SpoolKeeper } from './kept-spools.js';
import { CHUNK_BYTES, RunningSums } from './sums.js';

/** A whole spool, ready to become content. */
export interface FinishedSpool {
  readonly fd: number;
  readonly path: string;
  readonly sizeBytes: number;
  readonly crcs: Uint32Array;
}

export interface SpoolOptions {
  readonly files: FileSystem;
  readonly path: string;
  /** Moves the finished spool into place, or removes it where the content is held already. */
  readonly commit: (spool: FinishedSpool, digest: Digest, mediaType: string | undefined) => Promise<Entry>;
  readonly onFault: (fault: ProxyError) => void;
  /** Where what was written may outlive the download. */
  readonly keeper?: SpoolKeeper;
}

/** Less is not worth the files. */
export const KEPT_LEAST_BYTES = 1024 * 1024;

/** How much may be written before it is noted that it is good: what a kill costs at most. */
function noteStep(writtenBytes: number): number {
  return Math.min(64 * KEPT_LEAST_BYTES, Math.max(KEPT_LEAST_BYTES, writtenBytes / 3));
}

/** Opens a new spool file. Rejects with the system's error. */
export async function openSpool(options: SpoolOptions): Promise<Spool> {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL;
  return new SpoolFile(options, await options.files.open(options.path, flags));
}

/** Opens a spool that was kept. Rejects with the system's error. */
export async function openKeptSpool(options: SpoolOptions, prefix: KeptPrefix): Promise<KeptSpool> {
  const { files } = options;
  const fd = await files.open(options.path, constants.O_RDWR);
  try {
    // Whatever was written and not noted any more is of no use, and might stand behind the end of the content.
    await files.truncate(fd, prefix.sizeBytes);
  } catch (error) {
    await files.close(fd).catch(() => {});
    throw error;
  }
  return new SpoolFile(options, fd, prefix);
}

class SpoolFile implements KeptSpool {
  readonly #options: SpoolOptions;
  readonly #fd: number;
  readonly #sums = new RunningSums();
  #writtenBytes: number;
  #notedBytes: number;
  #hasNote: boolean;
  /** The sums of what was kept and is not read again yet. */
  #unread: Uint32Array | undefined;
  readonly expectedBytes: number | undefined;
  #failed: ProxyError | undefined;
  #committed = false;
  #underWay = 0;
  #closing: Promise<void> | undefined;
  #whenIdle: (() => void) | undefined;

  constructor(options: SpoolOptions, fd: number, kept?: KeptPrefix) {
    this.#options = options;
    this.#fd = fd;
    this.expectedBytes = kept?.expectedBytes;
    this.#unread = kept?.crcs;
    this.#writtenBytes = kept?.sizeBytes ?? 0;
    this.#notedBytes = this.#writtenBytes;
    this.#hasNote = kept !== undefined;
  }

  get writtenBytes(): number {
    return this.#writtenBytes;
  }

  async append(bytes: Uint8Array): Promise<void> {
    await this.#use('write to the spool', async () => {
      if (this.#failed !== undefined) throw this.#failed;
      if (this.#committed) throw new ProxyError('internal', 'a spool was appended to after its commit');
      if (this.#unread !== undefined)
        throw new ProxyError('internal', 'a spool was appended to before it was replayed');
      try {
        await this.#options.files.writeAt(this.#fd, bytes, this.#writtenBytes);
      } catch (error) {
        this.#failed = storeFault('write to the spool', error);
        this.#options.onFault(this.#failed);
        throw this.#failed;
      }
      this.#sums.update(bytes);
      this.#writtenBytes += bytes.byteLength;
      const isDue = this.#writtenBytes - this.#notedBytes >= noteStep(this.#writtenBytes);
      if (isDue && this.#options.keeper !== undefined) await this.#note(this.#options.keeper);
    });
  }

  replay(take: (bytes: Uint8Array) => void): Promise<void> {
    return this.#use('read what was kept', async () => {
      const crcs = this.#unread ?? new Uint32Array();
      const chunk = new Uint8Array(CHUNK_BYTES);
      let goodBytes = 0;
      for (const crc of crcs) {
        const lengthBytes = Math.min(CHUNK_BYTES, this.#writtenBytes - goodBytes);
        // What cannot be read is as good as damaged.
        const gotBytes = await this.#options.files.readAt(this.#fd, chunk, lengthBytes, goodBytes).catch(() => 0);
        const bytes = chunk.subarray(0, gotBytes);
        if (gotBytes < lengthBytes || crc32(bytes) !== crc) break;
        this.#sums.update(bytes);
        goodBytes += gotBytes;
        take(bytes);
      }
      if (goodBytes < this.#writtenBytes) {
        await this.#options.files.truncate(this.#fd, goodBytes);
        this.#writtenBytes = goodBytes;
        this.#notedBytes = 0;
      }
      this.#unread = undefined;
    });
  }

  read(into: Uint8Array, offset: number): Promise<number> {
    const lengthBytes = Math.max(0, Math.min(into.byteLength, this.#writtenBytes - offset));
    return this.#use('read the spool', () => this.#options.files.readAt(this.#fd, into, lengthBytes, offset));
  }

  commit(digest: Digest, mediaType: string | undefined): Promise<Entry> {
    return this.#use('commit the spool', async () => {
      if (this.#failed !== undefined) throw this.#failed;
      const { path } = this.#options;
      const finished = { fd: this.#fd, path, sizeBytes: this.#writtenBytes, crcs: this.#sums.crcs() };
      const entry = await this.#options.commit(finished, digest, mediaType);
      this.#committed = true;
      await this.#forget();
      return entry;
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#closeWhenIdle(false);
    return this.#closing;
  }

  keep(): Promise<void> {
    this.#closing ??= this.#closeWhenIdle(true);
    return this.#closing;
  }

  /** A descriptor closed under a read could be another file's by the time the read happens. */
  async #closeWhenIdle(isWanted: boolean): Promise<void> {
    if (this.#underWay > 0) {
      await new Promise<void>((resolve) => {
        this.#whenIdle = resolve;
      });
    }
    const { files, path, keeper } = this.#options;
    const isKept = isWanted && keeper !== undefined && (await this.#isWorthKeeping(keeper));
    await files.close(this.#fd).catch(() => {});
    if (isKept) return keeper.keep();
    if (!this.#committed) await discardFile(files, path);
    await this.#forget();
  }

  async #forget(): Promise<void> {
    if (this.#hasNote) await this.#options.keeper?.forget();
    this.#hasNote = false;
  }

  async #isWorthKeeping(keeper: SpoolKeeper): Promise<boolean> {
    if (this.#committed || this.#failed !== undefined || this.#writtenBytes < KEPT_LEAST_BYTES) return false;
    if (this.#unread === undefined && this.#writtenBytes > this.#notedBytes) await this.#note(keeper);
    return this.#notedBytes === this.#writtenBytes;
  }

  /** What cannot be noted cannot be kept; the download itself doesn't suffer. */
  async #note(keeper: SpoolKeeper): Promise<void> {
    try {
      await keeper.note(this.#writtenBytes, this.#sums.crcs());
      this.#notedBytes = this.#writtenBytes;
      this.#hasNote = true;
    } catch {
      // The last note stands, and says less than there is.
    }
  }

  async #use<T>(doing: string, task: () => Promise<T>): Promise<T> {
    if (this.#closing !== undefined) throw new ProxyError('store', `cannot ${doing}: it is closed`);
    this.#underWay += 1;
    try {
      return await task();
    } catch (error) {
      throw storeFault(doing, error);
    } finally {
      this.#underWay -= 1;
      if (this.#underWay === 0) this.#whenIdle?.();
    }
  }
}
