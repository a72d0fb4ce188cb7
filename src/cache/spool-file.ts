import { constants } from 'node:fs';
import { ProxyError } from '../errors.js';
import type { Digest } from '../oci/digest.js';
import type { Entry, Spool } from './contract.js';
import { discardFile, type FileSystem, storeFault } from './file-system.js';
import { RunningSums } from './sums.js';

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
}

/** Opens a new spool file. Rejects with the system's error. */
export async function openSpool(options: SpoolOptions): Promise<Spool> {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL;
  return new SpoolFile(options, await options.files.open(options.path, flags));
}

class SpoolFile implements Spool {
  readonly #options: SpoolOptions;
  readonly #fd: number;
  readonly #sums = new RunningSums();
  #writtenBytes = 0;
  #failed: ProxyError | undefined;
  #committed = false;
  #underWay = 0;
  #closing: Promise<void> | undefined;
  #whenIdle: (() => void) | undefined;

  constructor(options: SpoolOptions, fd: number) {
    this.#options = options;
    this.#fd = fd;
  }

  get writtenBytes(): number {
    return this.#writtenBytes;
  }

  async append(bytes: Uint8Array): Promise<void> {
    await this.#use('write to the spool', async () => {
      if (this.#failed !== undefined) throw this.#failed;
      if (this.#committed) throw new ProxyError('internal', 'a spool was appended to after its commit');
      try {
        await this.#options.files.writeAt(this.#fd, bytes, this.#writtenBytes);
      } catch (error) {
        this.#failed = storeFault('write to the spool', error);
        this.#options.onFault(this.#failed);
        throw this.#failed;
      }
      this.#sums.update(bytes);
      this.#writtenBytes += bytes.byteLength;
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
      return entry;
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#closeWhenIdle();
    return this.#closing;
  }

  /** A descriptor closed under a read could be another file's by the time the read happens. */
  async #closeWhenIdle(): Promise<void> {
    if (this.#underWay > 0) {
      await new Promise<void>((resolve) => {
        this.#whenIdle = resolve;
      });
    }
    await this.#options.files.close(this.#fd).catch(() => {});
    if (!this.#committed) await discardFile(this.#options.files, this.#options.path);
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
