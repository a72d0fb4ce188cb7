import { setTimeout as delay } from 'node:timers/promises';
import { asProxyError, ProxyError } from '../errors.js';
import type { BodyReader } from '../http/body.js';
import type { Digest } from '../oci/digest.js';
import type { BufferPool } from './buffer-pool.js';
import { deferred } from './deferred.js';
import type { FillRequest, FillResumer, Flight, FlightOutcome } from './flight-contract.js';
import { type DownloadContext, FlightDownload } from './flight-download.js';
import { BYPASS_PLACES, type FlightLimits, HOLD_BACK_BYTES } from './flight-limits.js';
import { FlightPace, slowestPosition } from './flight-pace.js';
import { FlightReader } from './flight-reader.js';
import type { FlightSpool } from './flight-spool.js';
import { WaitingReaders } from './flight-waiting.js';
import type { FlightWindow } from './flight-window.js';

/** What a fill needs of the table it stands in. */
export interface FillContext extends DownloadContext {
  readonly buffers: BufferPool;
  readonly limits: FlightLimits;
  /** How many written bytes this flight may keep in memory now. */
  readonly ringBytes: () => number;
  readonly onFault: (error: ProxyError) => void;
  /** Newcomers cannot be served any more. */
  readonly onLeave: (fill: Fill) => void;
  /** Nothing is held any more, neither memory nor files. */
  readonly onGone: (fill: Fill) => void;
}

/** A file opens in far less. */
const SPOOL_WAIT_MS = 100;

/**
 * The download itself: receives, hashes, hands to the spool and wakes readers. It is `receiving` until the digest is
 * known to be right, then `verified` while it is stored, then `over` until its last reader is gone.
 */
export class Fill implements Flight {
  readonly key: string;
  readonly digest: Digest;
  readonly head: Promise<{ readonly sizeBytes: number | undefined }>;
  readonly done: Promise<FlightOutcome>;
  readonly buffers: BufferPool;
  readonly readers = new Set<FlightReader>();
  readonly waiting = new WaitingReaders();
  readonly #context: FillContext;
  readonly #pace: FlightPace;
  readonly #download: FlightDownload;
  readonly #failure = deferred<never>();
  readonly #head = deferred<{ readonly sizeBytes: number | undefined }>();
  #state: 'receiving' | 'verified' | 'over' | 'failed' = 'receiving';
  #error: unknown;
  #expected = 0;
  #linger: NodeJS.Timeout | undefined;
  #gone: Promise<void> | undefined;
  #bypasses = 0;

  constructor(request: FillRequest, context: FillContext) {
    this.key = request.key;
    this.digest = request.digest;
    this.#context = context;
    this.buffers = context.buffers;
    this.#download = this.#createDownload(request);
    this.#pace = new FlightPace(this, context.limits);
    this.head = this.#head.promise;
    this.done = this.#run(request);
  }

  get window(): FlightWindow {
    return this.#download.window;
  }

  get spool(): FlightSpool {
    return this.#download.spool;
  }

  get sizeBytes(): number | undefined {
    return this.#download.sizeBytes;
  }

  get receivedBytes(): number {
    return this.window.receivedBytes;
  }

  get verified(): boolean {
    return this.#state === 'verified' || this.#state === 'over';
  }

  get readableBytes(): number {
    const received = this.window.receivedBytes;
    if (this.verified) return received;
    const { sizeBytes } = this;
    if (sizeBytes === undefined) return Math.max(0, received - HOLD_BACK_BYTES);
    return Math.min(received, Math.max(0, sizeBytes - HOLD_BACK_BYTES));
  }

  get isStoring(): boolean {
    return !this.spool.detached;
  }

  /** Resolves when a flight that has failed holds nothing any more; undefined for one that goes on. */
  get gone(): Promise<void> | undefined {
    return this.#gone;
  }

  /** Counts somebody in who will take a reader. */
  expectReader(): void {
    this.#expected += 1;
  }

  reader(): BodyReader {
    const reader = new FlightReader(this);
    this.#expected = Math.max(0, this.#expected - 1);
    if (this.#state === 'failed') reader.end(this.#error);
    else if (this.#gone !== undefined) reader.end(new ProxyError('store', 'the flight is over'));
    else this.readers.add(reader);
    this.#reviewInterest();
    return reader;
  }

  offer(resume: FillResumer): () => void {
    return this.#download.offer(resume);
  }

  takeBypass(): (() => void) | undefined {
    if (this.#bypasses >= BYPASS_PLACES) return undefined;
    this.#bypasses += 1;
    let taken = true;
    return () => {
      if (taken) this.#bypasses -= 1;
      taken = false;
    };
  }

  /** Ends the flight; where the bytes are verified already, storing them is finished first. Resolves when all files are closed. */
  async close(error: ProxyError): Promise<void> {
    if (this.#state === 'receiving') this.#fail(error);
    for (const reader of this.readers) reader.end(error);
    await this.done;
    await this.#free();
  }

  onMove(): void {
    if (!this.spool.detached) return;
    this.#trim();
    this.#pace.review();
  }

  onGive(): void {
    this.#download.noteGiven();
  }

  onWait(reader: FlightReader): void {
    this.waiting.add(reader);
    this.#pace.review();
  }

  onDiskFault(error: ProxyError): void {
    this.#context.onFault(error);
  }

  onClose(reader: FlightReader): void {
    this.waiting.delete(reader);
    if (this.readers.delete(reader)) this.onMove();
    this.#reviewInterest();
  }

  drop(reader: FlightReader, error: ProxyError): void {
    reader.end(error);
    this.onClose(reader);
  }

  /** Goes on without the disk: what is written stays readable, the rest lives in memory until every reader has passed it. */
  detach(): void {
    this.spool.detach();
    this.#context.onFault(new ProxyError('store', 'the disk is too slow for the upstream; the download is not stored'));
    this.#reviewInterest();
  }

  async #run(request: FillRequest): Promise<FlightOutcome> {
    try {
      await Promise.race([this.#download.run(), this.#failure.promise]);
      this.#state = 'verified';
      this.waiting.wake();
    } catch (error) {
      this.#fail(error);
      return { kind: 'failed', error: this.#error };
    }
    const entry = await this.spool.commit(this.digest, request.mediaType);
    try {
      await request.onVerified(this.receivedBytes, entry);
    } catch (error) {
      this.#context.onFault(asProxyError(error));
    }
    this.#state = 'over';
    this.#context.onLeave(this);
    this.#trim();
    this.#reviewInterest();
    return entry === undefined ? { kind: 'verified' } : { kind: 'stored', entry };
  }

  #createDownload(request: FillRequest): FlightDownload {
    return new FlightDownload(request, this.#context, {
      onHead: (opened) => this.#onHead(opened),
      onReceived: () => {
        this.waiting.onReceived(this.receivedBytes);
        return this.#pace.gate();
      },
      onBroken: (error) => this.#fail(error),
      onWritten: () => this.#onWritten(),
      onFault: (error) => this.#onDiskFault(error),
    });
  }

  /** A client's head says whether the body will be stored; a disk that hangs holds nobody up. */
  #onHead(opened: Promise<void>): void {
    void Promise.race([opened, delay(SPOOL_WAIT_MS, undefined, { ref: false })]).then(() => {
      this.#head.resolve({ sizeBytes: this.sizeBytes });
      return undefined;
    });
  }

  #fail(error: unknown): void {
    if (this.#state !== 'receiving') return;
    this.#state = 'failed';
    this.#error = error;
    this.#failure.reject(error);
    this.#head.reject(error);
    this.#context.onLeave(this);
    for (const reader of this.readers) reader.end(error);
    this.#download.abort(error);
    void this.#free();
  }

  #onWritten(): void {
    this.#trim();
    this.#pace.review();
  }

  #onDiskFault(error: ProxyError): void {
    this.#context.onFault(error);
    this.#pace.review();
    this.#reviewInterest();
  }

  /** Lets go of chunks that nobody near needs. Where they are not on disk, the flight can take no more newcomers. */
  #trim(): void {
    const { spool, window } = this;
    const { chunkBytes, detachedBytes } = this.#context.limits;
    const ringBytes = this.#state === 'over' ? chunkBytes : this.#context.ringBytes();
    const passedBytes = spool.detached ? slowestPosition(this.readers) : 0;
    for (let chunk = window.oldestFull; chunk !== undefined; chunk = window.oldestFull) {
      const onDisk = chunk.endOffset <= spool.writtenBytes && spool.writtenBytes - chunk.offset > ringBytes;
      const passed = chunk.endOffset <= passedBytes && window.receivedBytes - chunk.offset > detachedBytes;
      if (!onDisk && !passed) break;
      window.dropOldest();
    }
    if (window.offset > spool.writtenBytes) this.#context.onLeave(this);
  }

  /** Ends what nobody is interested in: a flight that is over, or one that cannot be stored. */
  #reviewInterest(): void {
    clearTimeout(this.#linger);
    const detached = this.#state === 'receiving' && this.#download.hasHead && this.spool.detached;
    if (this.readers.size > 0 || !(detached || this.#state === 'over')) return;
    if (this.#expected === 0) {
      this.#abandon();
      return;
    }
    this.#linger = setTimeout(() => this.#abandon(), this.#context.limits.lingerMs);
    this.#linger.unref();
  }

  #abandon(): void {
    this.#fail(new ProxyError('client-gone', 'nobody reads this download, and it cannot be stored'));
    void this.#free();
  }

  #free(): Promise<void> {
    this.#gone ??= this.#releaseAll();
    return this.#gone;
  }

  async #releaseAll(): Promise<void> {
    clearTimeout(this.#linger);
    this.#pace.stop();
    this.waiting.clear();
    await this.#download.close(this.#error);
    this.#context.onGone(this);
  }
}
