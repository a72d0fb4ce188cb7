import { performance } from 'node:perf_hooks';
import { asProxyError, ProxyError } from '../errors.js';
import type { BodyReader, Piece } from '../http/body.js';
import type { BufferPool } from './buffer-pool.js';
import type { FlightSpool } from './flight-spool.js';
import type { FlightWindow } from './flight-window.js';

/** What a reader sees of its flight. */
export interface FlightSource {
  readonly sizeBytes: number | undefined;
  /** Where the bytes that may leave now end; everything behind is still to arrive or held back. */
  readonly readableBytes: number;
  readonly verified: boolean;
  readonly window: FlightWindow;
  readonly spool: FlightSpool;
  readonly buffers: BufferPool;
  /** The reader has come to a new place. */
  onMove(): void;
  /** Bytes are leaving. */
  onGive(): void;
  /** The reader has caught up, and is to be woken when there is more. */
  onWait(reader: FlightReader): void;
  onDiskFault(error: ProxyError): void;
  onClose(reader: FlightReader): void;
}

interface PendingRead {
  readonly offset: number;
  readonly maxBytes: number;
  resolve(piece: Piece | undefined): void;
  reject(error: unknown): void;
}

/** One client's view of a flight: from memory where the window reaches, from the spool file further back. */
export class FlightReader implements BodyReader {
  readonly #source: FlightSource;
  #pending: PendingRead | undefined;
  #ended: { readonly error: unknown } | undefined;
  #position = 0;
  #lastMove = performance.now();

  constructor(source: FlightSource) {
    this.#source = source;
  }

  get sizeBytes(): number | undefined {
    return this.#source.sizeBytes;
  }

  /** The first byte that this reader may still need. */
  get position(): number {
    return this.#position;
  }

  /** When the reader last asked for bytes, on the clock of `performance.now()`. */
  get lastMove(): number {
    return this.#lastMove;
  }

  read(offset: number, maxBytes: number): Promise<Piece | undefined> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended.error);
    if (this.#pending !== undefined) return Promise.reject(new ProxyError('internal', 'one read at a time'));
    return new Promise((resolve, reject) => {
      this.#pending = { offset, maxBytes, resolve, reject };
      this.#moveTo(offset);
      this.wake();
    });
  }

  /** Answers the pending read, if its bytes are there by now. */
  wake(): void {
    const read = this.#pending;
    if (read === undefined) return;
    const { window, spool, readableBytes } = this.#source;
    if (read.offset >= readableBytes) {
      if (this.#source.verified) this.#answer(undefined);
      else this.#source.onWait(this);
      return;
    }
    const endOffset = Math.min(read.offset + read.maxBytes, readableBytes);
    const chunk = window.find(read.offset);
    if (chunk !== undefined) {
      this.#answer(chunk.piece(read.offset, Math.min(endOffset, chunk.endOffset)));
    } else if (read.offset < spool.writtenBytes) {
      void this.#readBack(read, Math.min(endOffset, spool.writtenBytes));
    } else {
      this.#giveUp(new ProxyError('store', `bytes at offset ${read.offset} are no longer held`));
    }
  }

  /** Lets this read and every later one reject. */
  end(error: unknown): void {
    this.#ended ??= { error };
    const read = this.#pending;
    this.#pending = undefined;
    read?.reject(this.#ended.error);
  }

  close(): void {
    this.#giveUp(new ProxyError('client-gone', 'the reader is closed'));
  }

  async #readBack(read: PendingRead, endOffset: number): Promise<void> {
    const { buffers, spool } = this.#source;
    const wantBytes = endOffset - read.offset;
    const buffer = buffers.take(wantBytes);
    try {
      const count = await spool.read(buffer.bytes.subarray(0, wantBytes), read.offset);
      if (this.#pending !== read) buffer.release();
      else this.#answer({ bytes: buffer.bytes.subarray(0, count), release: () => buffer.release() });
    } catch (error) {
      buffer.release();
      const fault = asProxyError(error, 'store');
      if (this.#pending !== read) return;
      this.#source.onDiskFault(fault);
      this.#giveUp(fault);
    }
  }

  /** A reader that cannot go on must not hold up the others until its client notices. */
  #giveUp(error: ProxyError): void {
    this.end(error);
    this.#source.onClose(this);
  }

  #answer(piece: Piece | undefined): void {
    const read = this.#pending;
    this.#pending = undefined;
    if (read !== undefined && piece !== undefined) {
      this.#source.onGive();
      this.#moveTo(read.offset + piece.bytes.length);
    }
    read?.resolve(piece);
  }

  #moveTo(offset: number): void {
    this.#position = offset;
    this.#lastMove = performance.now();
    this.#source.onMove();
  }
}
