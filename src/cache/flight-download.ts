import { setTimeout as delay } from 'node:timers/promises';
import { type FaultCode, ProxyError } from '../errors.js';
import type { Digest } from '../oci/digest.js';
import type { KeptSpool, Spool } from './contract.js';
import type { FillBody, FillRequest, FillResumer } from './flight-contract.js';
import { FlightIntake } from './flight-intake.js';
import type { ResumeLimits } from './flight-limits.js';
import { type Download, receiveWhole } from './flight-resume.js';
import { FlightResumers } from './flight-resumers.js';
import type { FlightSpool, FlightSpoolEvents } from './flight-spool.js';
import type { ChunkMemory, FlightWindow } from './flight-window.js';

/** So long a body of another length than was expected waits to hear whether there is a place for it. */
const REFUSAL_MS = 100;

/** What a download needs of the table that it belongs to. */
export interface DownloadContext {
  readonly createSpool: (expectedBytes: number | undefined, digest: Digest, key: string) => Promise<Spool>;
  /** What an earlier download under this key has left. */
  readonly takeKept: (digest: Digest, key: string) => Promise<KeptSpool | undefined>;
  readonly memory: ChunkMemory;
  readonly limits: ResumeLimits;
}

/** What a flight hears of its download. */
export interface DownloadEvents extends FlightSpoolEvents {
  /** The upstream's head is here; `opened` resolves when it is known whether there is a disk for the body. */
  onHead(opened: Promise<void>): void;
  /** More has come. A promise holds the upstream back. */
  onReceived(): void | Promise<void>;
  /** The upstream does what no further try can mend; the flight is to end with this. */
  onBroken(error: ProxyError): void;
}

/** The bytes of a flight on their way in: from one connection after the other, until they are all here and right. */
export class FlightDownload implements Download {
  readonly digest: Digest;
  readonly signal: AbortSignal;
  readonly #request: FillRequest;
  readonly #context: DownloadContext;
  readonly #events: DownloadEvents;
  readonly #resumers: FlightResumers;
  readonly #aborted = new AbortController();
  #intake: FlightIntake;
  #replaced: Promise<void> | undefined;
  /** Where the body will be written, made before anything of it was seen; undefined once it is taken. */
  #place: Promise<Spool> | undefined;
  #dropped: Promise<void> | undefined;
  #body: FillBody | undefined;
  #sizeBytes: number | undefined;
  #hasGiven = false;

  constructor(request: FillRequest, context: DownloadContext, events: DownloadEvents) {
    this.digest = request.digest;
    this.signal = this.#aborted.signal;
    this.#request = request;
    this.#context = context;
    this.#events = events;
    this.#resumers = new FlightResumers(request.resume);
    this.#intake = new FlightIntake(request.digest, context.memory, events);
  }

  get window(): FlightWindow {
    return this.#intake.window;
  }

  get spool(): FlightSpool {
    return this.#intake.spool;
  }

  get sizeBytes(): number | undefined {
    return this.#sizeBytes;
  }

  get receivedBytes(): number {
    return this.window.receivedBytes;
  }

  /** Whether the upstream has answered. */
  get hasHead(): boolean {
    return this.#body !== undefined;
  }

  get canResume(): boolean {
    return this.#resumers.some;
  }

  offer(resume: FillResumer): () => void {
    return this.#resumers.offer(resume);
  }

  /** A client has had bytes: from now on nothing can begin anew unseen. */
  noteGiven(): void {
    this.#hasGiven = true;
  }

  /** Brings all bytes in. Rejects with what the opener rejected with, or with the fault that could not be helped. */
  async run(): Promise<void> {
    const { body, kept } = await this.#open();
    if (this.signal.aborted) {
      body.abort();
      await kept?.keep();
      return;
    }
    this.accept(body);
    const opened = kept ? this.spool.start(Promise.resolve(kept)) : this.#openSpool();
    this.#events.onHead(opened);
    if (kept) await opened.then(() => this.#replay(kept));
    await receiveWhole(body, this, this.#context.limits);
    if (!this.matches()) await this.#secondTry();
    this.#intake.finish();
    this.#sizeBytes = this.receivedBytes;
  }

  accept(body: FillBody): void {
    this.#body = body;
    this.#sizeBytes ??= body.sizeBytes;
  }

  receive(bytes: Uint8Array): void | Promise<void> {
    if (this.signal.aborted) return undefined;
    const size = this.#sizeBytes;
    if (size !== undefined && this.receivedBytes + bytes.length > size) {
      const message = `the upstream sent more than the ${size} bytes it announced`;
      this.#events.onBroken(new ProxyError('upstream-protocol', message));
      return undefined;
    }
    this.#intake.take(bytes, size);
    return this.#events.onReceived();
  }

  matches(): boolean {
    return this.#intake.matches();
  }

  reopen(fromBytes: number): Promise<FillBody> {
    return this.#resumers.open(this.signal, fromBytes);
  }

  /** Hangs up. */
  abort(error: unknown): void {
    this.#aborted.abort(error);
    this.#body?.abort();
  }

  /** Lets go of memory and files. `error` is what the flight ended with: what came until then may be kept. Never rejects. */
  async close(error: unknown): Promise<void> {
    await this.#replaced;
    this.#dropPlace();
    await this.#dropped;
    await this.#intake.close(isWorthKeeping(error));
  }

  /** Asks for the body, or for the rest of it. Nothing is kept that doesn't fit to what the upstream has now. */
  async #open(): Promise<{ readonly body: FillBody; readonly kept?: KeptSpool }> {
    const { key, open } = this.#request;
    const kept = await this.#context.takeKept(this.digest, key);
    if (kept === undefined) return { body: await this.#openWhole() };
    const body = await open(this.signal, kept.writtenBytes).catch(async (error: unknown) => {
      // It says nothing about the bytes that this client was refused, or nobody could be asked.
      await kept.keep();
      throw error;
    });
    if (fits(body, kept)) return { body, kept };
    await kept.close();
    if ((body.startBytes ?? 0) === 0) return { body };
    body.abort();
    return { body: await open(this.signal, 0) };
  }

  /** The disk makes a place while the upstream thinks: a file system may take longer for that than a registry for its answer. */
  async #openWhole(): Promise<FillBody> {
    const { expectedBytes, open } = this.#request;
    if (expectedBytes !== undefined && !this.signal.aborted) this.#place = this.#createSpool(expectedBytes);
    // A disk that refuses is heard of by the spool that takes the place.
    this.#place?.catch(() => {});
    const body = await open(this.signal, 0);
    // A refusal holds for this download: asked again with another length, the store would take it for a second request.
    if (body.sizeBytes !== expectedBytes && !(await this.#isRefused())) this.#dropPlace();
    return body;
  }

  /** Whether the disk has refused the place by now; one that hangs has not. */
  #isRefused(): Promise<boolean> {
    const refused = this.#place?.then(
      () => false,
      () => true,
    );
    return Promise.race([refused ?? false, delay(REFUSAL_MS, false, { ref: false })]);
  }

  /** Hashes again what was kept. Where its end is damaged, the upstream is asked for that part, too. */
  async #replay(kept: KeptSpool): Promise<void> {
    await this.#intake.replay(kept, () => {
      this.signal.throwIfAborted();
      void this.#events.onReceived();
    });
  }

  /** Other bytes came than were asked for. Where nobody has seen any of them, nobody can tell that there is another download. */
  async #secondTry(): Promise<void> {
    const mismatch = new ProxyError('digest-mismatch', `the upstream's bytes are not those of ${this.digest}`);
    if (this.#hasGiven || !this.canResume) throw mismatch;
    this.#replaced = this.#intake.close(false);
    this.#intake = new FlightIntake(this.digest, this.#context.memory, this.#events);
    void this.#openSpool();
    await receiveWhole(await this.reopen(0), this, this.#context.limits);
    if (!this.matches()) throw mismatch;
  }

  #openSpool(): Promise<void> {
    const place = this.#place ?? this.#createSpool(this.#sizeBytes);
    this.#place = undefined;
    return this.spool.start(place);
  }

  #createSpool(expectedBytes: number | undefined): Promise<Spool> {
    return this.#context.createSpool(expectedBytes, this.digest, this.#request.key);
  }

  /** Lets a place go that nothing will be written to. */
  #dropPlace(): void {
    this.#dropped ??= this.#place?.then((spool) => spool.close()).catch(() => {});
    this.#place = undefined;
  }
}

/** Whether a body goes on where what was kept ends, and is of the same length. */
function fits(body: FillBody, { writtenBytes, expectedBytes }: KeptSpool): boolean {
  if ((body.startBytes ?? 0) !== writtenBytes) return false;
  return body.sizeBytes === undefined || expectedBytes === undefined || body.sizeBytes === expectedBytes;
}

/** Faults that say nothing against the bytes that came before them. */
const INNOCENT: ReadonlySet<FaultCode> = new Set<FaultCode>([
  'client-gone',
  'shutting-down',
  'upstream-connect',
  'upstream-dns',
  'upstream-redirect',
  'upstream-timeout',
  'upstream-tls',
  'upstream-truncated',
]);

function isWorthKeeping(error: unknown): boolean {
  return error instanceof ProxyError && INNOCENT.has(error.code);
}
