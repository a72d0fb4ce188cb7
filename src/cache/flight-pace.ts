import { performance } from 'node:perf_hooks';
import { ProxyError } from '../errors.js';
import type { FlightLimits } from './flight-limits.js';
import type { FlightReader } from './flight-reader.js';
import type { FlightSpool } from './flight-spool.js';
import type { FlightWindow } from './flight-window.js';

/** What the pace of a flight depends on. */
export interface PacedFlight {
  readonly window: FlightWindow;
  readonly spool: FlightSpool;
  readonly readers: ReadonlySet<FlightReader>;
  /** The readers that have caught up with the upstream. */
  readonly waiting: { readonly size: number };
  /** Goes on in memory, without the disk. */
  detach(): void;
  drop(reader: FlightReader, error: ProxyError): void;
}

/** The lowest offset that a reader may still need; 0 where there is no reader, since the first may want everything. */
export function slowestPosition(readers: ReadonlySet<FlightReader>): number {
  if (readers.size === 0) return 0;
  let slowest = Number.POSITIVE_INFINITY;
  for (const reader of readers) slowest = Math.min(slowest, reader.position);
  return slowest;
}

/**
 * Decides when the upstream has to wait. No client ever paces a flight that is written to disk. The disk does, a little;
 * where it lags far behind a reader that waits for more, the flight detaches. A detached flight goes as fast as its
 * slowest reader, and a reader that stands still while others wait is dropped.
 */
export class FlightPace {
  readonly #flight: PacedFlight;
  readonly #limits: FlightLimits;
  #paused: { readonly promise: Promise<void>; readonly resume: () => void; readonly watch: NodeJS.Timeout } | undefined;
  #stopped = false;

  constructor(flight: PacedFlight, limits: FlightLimits) {
    this.#flight = flight;
    this.#limits = limits;
  }

  /** Whether the upstream may go on: undefined at once, or a promise of when. */
  gate(): Promise<void> | undefined {
    // Looking may end the flight, so being stopped is asked about last.
    if (!this.#mustWait() || this.#stopped) return undefined;
    this.#paused ??= this.#pause();
    return this.#paused.promise;
  }

  /** Looks again, after a reader or the disk has moved. */
  review(): void {
    if (this.#paused !== undefined && !this.#mustWait()) this.#resume();
  }

  /** Lets the upstream go on, now and ever after: the flight has ended. */
  stop(): void {
    this.#stopped = true;
    this.#resume();
  }

  #resume(): void {
    clearInterval(this.#paused?.watch);
    this.#paused?.resume();
    this.#paused = undefined;
  }

  #mustWait(): boolean {
    const { spool, window, waiting } = this.#flight;
    if (!spool.detached) {
      if (window.receivedBytes - spool.writtenBytes < this.#limits.unwrittenBytes) return false;
      if (spool.lagMs < (waiting.size > 0 ? this.#limits.lagMs : this.#limits.stallMs)) return true;
      this.#flight.detach();
    }
    return this.#holdsUp(slowestPosition(this.#flight.readers));
  }

  /** Whether a reader at this place keeps so much in memory that no more can be taken in. */
  #holdsUp(position: number): boolean {
    const { spool, window } = this.#flight;
    return window.receivedBytes - Math.max(position, spool.writtenBytes) >= this.#limits.detachedBytes;
  }

  #pause() {
    let resume!: () => void;
    const promise = new Promise<void>((resolve) => (resume = resolve));
    const { lagMs, stallMs } = this.#limits;
    const watch = setInterval(() => this.#watch(), Math.max(1, Math.min(lagMs, stallMs) / 4));
    watch.unref();
    return { promise, resume, watch };
  }

  #watch(): void {
    const { spool, readers, waiting } = this.#flight;
    const stalledSince = performance.now() - this.#limits.stallMs;
    if (spool.detached) {
      for (const reader of readers) {
        if (waiting.size > 0 && this.#holdsUp(reader.position) && reader.lastMove < stalledSince) {
          this.#flight.drop(reader, new ProxyError('client-stalled', 'the client stood still and held up the others'));
        }
      }
    }
    this.review();
  }
}
