import { ProxyError } from '../errors.js';
import type { FillBody, FillResumer } from './flight-contract.js';
import { ResumeFault } from './resume-fault.js';

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

  /** Asks for the body from `fromBytes` on. Rejects with the refusal where everybody was refused. */
  async open(signal: AbortSignal, fromBytes: number): Promise<FillBody> {
    let refusal = new ProxyError('upstream-truncated', 'nobody is left who may ask for the rest');
    for (let resume = this.#next(); resume !== undefined; resume = this.#next()) {
      try {
        return await resume(signal, fromBytes);
      } catch (error) {
        if (!(error instanceof ResumeFault && error.isRefusal)) throw error;
        this.#refused.add(resume);
        refusal = error;
      }
    }
    throw refusal;
  }

  #next(): FillResumer | undefined {
    const ways = [this.#first, ...this.#offered].filter((way) => way !== undefined && !this.#refused.has(way));
    return ways.at(-1);
  }
}
