import { ProxyError } from '../errors.js';
import type { FillBody, FillResumer } from './flight-contract.js';
import { ResumeFault } from './resume-fault.js';

/** Clients in whose name a body is asked for in one try, where each is told to wait. */
const MAX_WAITING = 3;

/**
 * The ways to ask again for a body that broke off: those of the clients that wait, the newest first since its
 * credential is the freshest, and at last that of the client that began it. A way that the registry refused is not
 * tried again.
 */
export class FlightResumers {
  readonly #first: FillResumer | undefined;
  readonly #offered = new Set<FillResumer>();
  readonly #refused = new WeakSet<FillResumer>();

  constructor(first: FillResumer | undefined) {
    this.#first = first;
  }

  /** Whether there was ever a way; where there was none, a break is final and keeps its own error. */
  get some(): boolean {
    return this.#first !== undefined || this.#offered.size > 0;
  }

  /** Adds the way of a client that waits, and gives the function that takes it away again. */
  offer(resume: FillResumer): () => void {
    this.#offered.add(resume);
    return () => void this.#offered.delete(resume);
  }

  /**
   * Asks for the body from `fromBytes` on. Rejects with the refusal where everybody was refused. Who is told to wait
   * is one client, whose limit is its own: a few others are asked with before all of them wait.
   */
  async open(signal: AbortSignal, fromBytes: number): Promise<FillBody> {
    const waiting = new Set<FillResumer>();
    let refusal = new ProxyError('upstream-truncated', 'nobody is left who may ask for the rest');
    let pause: ResumeFault | undefined;
    for (let resume = this.#next(waiting); resume !== undefined; resume = this.#next(waiting)) {
      try {
        return await resume(signal, fromBytes);
      } catch (error) {
        if (!(error instanceof ResumeFault)) throw error;
        if (error.isRefusal) {
          this.#refused.add(resume);
          refusal = error;
          continue;
        }
        if (error.retryAfterMs === 0) throw error;
        waiting.add(resume);
        if (pause === undefined || error.retryAfterMs < pause.retryAfterMs) pause = error;
        if (waiting.size === MAX_WAITING) break;
      }
    }
    throw pause ?? refusal;
  }

  #next(waiting: ReadonlySet<FillResumer>): FillResumer | undefined {
    const ways = [this.#first, ...this.#offered].filter(
      (way) => way !== undefined && !waiting.has(way) && !this.#refused.has(way),
    );
    return ways.at(-1);
  }
}
