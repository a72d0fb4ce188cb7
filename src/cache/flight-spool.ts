import { performance } from 'node:perf_hooks';
import { asProxyError, ProxyError } from '../errors.js';
import type { Digest } from '../oci/digest.js';
import type { Entry, Spool } from './contract.js';
import type { Chunk } from './flight-window.js';

interface QueuedChunk {
  readonly chunk: Chunk;
  /** On the clock of `performance.now()`. */
  readonly since: number;
}

/** What a flight wants to hear of its spool. */
export interface FlightSpoolEvents {
  /** More bytes can be read back. */
  onWritten(): void;
  /** The disk failed; nothing more will be written. */
  onFault(error: ProxyError): void;
}

/**
 * A spool behind a queue, so that the disk never makes the upstream wait: chunks are appended one at a time while more
 * arrive. Once detached, it writes nothing more and what it has written can still be read.
 */
export class FlightSpool {
  readonly #events: FlightSpoolEvents;
  #spool: Spool | undefined;
  #queue: QueuedChunk[] = [];
  #oldest: QueuedChunk | undefined;
  #writing: Promise<void> = Promise.resolve();
  #isWriting = false;
  #detached = false;
  #reads = 0;
  #closing: Promise<void> | undefined;
  #onReadsDone: (() => void) | undefined;

  constructor(events: FlightSpoolEvents) {
    this.#events = events;
  }

  /** Takes the file, once it is open. Until then, chunks queue. Resolves when it is open, or the disk has refused. */
  async start(opening: Promise<Spool>): Promise<void> {
    this.#isWriting = true;
    this.#writing = this.#write(opening);
    await opening.catch(() => {});
  }

  /** Bytes from the start of the body that can be read back. */
  get writtenBytes(): number {
    return this.#spool?.writtenBytes ?? 0;
  }

  get detached(): boolean {
    return this.#detached;
  }

  /** How long the oldest bytes have waited for the disk; 0 where none do. */
  get lagMs(): number {
    return this.#oldest === undefined ? 0 : performance.now() - this.#oldest.since;
  }

  /** Queues a chunk, which is held until it is written or the spool detaches. */
  append(chunk: Chunk): void {
    if (this.#detached) return;
    chunk.hold();
    const queued = { chunk, since: performance.now() };
    this.#queue.push(queued);
    this.#oldest ??= queued;
    if (!this.#isWriting && this.#spool !== undefined) {
      this.#isWriting = true;
      this.#writing = this.#write(this.#spool);
    }
  }

  /** Gives writing up for good. */
  detach(): void {
    this.#detached = true;
    for (const { chunk } of this.#queue) chunk.release();
    this.#queue = [];
  }

  /** Reads back what was written; gives the number of bytes. Rejects with a `store` fault. */
  async read(into: Uint8Array, offset: number): Promise<number> {
    const spool = this.#spool;
    if (spool === undefined || this.#closing !== undefined) throw new ProxyError('store', 'the spool is closed');
    this.#reads += 1;
    try {
      const count = await spool.read(into, offset);
      if (count === 0) throw new ProxyError('store', `the spool ended before offset ${offset}`);
      return count;
    } catch (error) {
      throw asProxyError(error, 'store');
    } finally {
      this.#reads -= 1;
      if (this.#reads === 0) this.#onReadsDone?.();
    }
  }

  /** Writes what is queued and makes it content; undefined where the disk gave up, now or before. Never rejects. */
  async commit(digest: Digest, mediaType: string | undefined): Promise<Entry | undefined> {
    await this.#writing;
    if (this.#detached || this.#spool === undefined) return undefined;
    try {
      return await this.#spool.commit(digest, mediaType);
    } catch (error) {
      this.#fail(error);
      return undefined;
    }
  }

  /**
   * Closes the file, once nobody reads or writes it. What was not committed is dropped, or with `keep` written to its end
   * and left for the next download where the store can. Never rejects.
   */
  close(keep = false): Promise<void> {
    if (!keep) this.detach();
    this.#closing ??= this.#close(keep);
    return this.#closing;
  }

  async #close(keep: boolean): Promise<void> {
    await this.#writing;
    this.detach();
    if (this.#reads > 0) await new Promise<void>((resolve) => (this.#onReadsDone = resolve));
    try {
      await (keep && this.#spool?.keep ? this.#spool.keep() : this.#spool?.close());
    } catch (error) {
      this.#events.onFault(asProxyError(error, 'store'));
    }
  }

  async #write(opening: Spool | Promise<Spool>): Promise<void> {
    try {
      const spool = await opening;
      this.#spool = spool;
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
        try {
          await spool.append(next.chunk.bytes);
        } finally {
          next.chunk.release();
          this.#oldest = this.#queue[0];
        }
        this.#events.onWritten();
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#isWriting = false;
    }
  }

  #fail(error: unknown): void {
    this.detach();
    this.#events.onFault(asProxyError(error, 'store'));
  }
}
