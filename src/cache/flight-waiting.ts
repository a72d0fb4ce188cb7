import { performance } from 'node:perf_hooks';
import type { FlightReader } from './flight-reader.js';

/** While bytes come fast, readers are woken for this much at a time, since each answer costs a write to a connection. */
const STEP_BYTES = 128 * 1024;

/** While bytes come slowly, nobody waits longer than this for what is here. */
const STEP_MS = 5;

/** The readers of a flight that have caught up with the upstream. */
export class WaitingReaders {
  readonly #readers = new Set<FlightReader>();
  #wokenBytes = 0;
  #lastWake = 0;
  #immediate: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;

  get size(): number {
    return this.#readers.size;
  }

  add(reader: FlightReader): void {
    this.#readers.add(reader);
  }

  delete(reader: FlightReader): void {
    this.#readers.delete(reader);
  }

  /** Bytes have come, up to `receivedBytes`: wakes the readers in this turn of the event loop, or a moment later. */
  onReceived(receivedBytes: number): void {
    if (this.#readers.size === 0 || this.#immediate !== undefined) return;
    const step = receivedBytes - this.#wokenBytes;
    if (step >= STEP_BYTES || performance.now() - this.#lastWake >= STEP_MS) {
      this.#immediate = setImmediate(() => {
        this.#wokenBytes = receivedBytes;
        this.wake();
      });
    } else {
      this.#timer ??= setTimeout(() => {
        this.#wokenBytes = receivedBytes;
        this.wake();
      }, STEP_MS);
    }
  }

  /** Wakes everybody now. Who finds nothing to read comes back by itself. */
  wake(): void {
    this.#unschedule();
    this.#lastWake = performance.now();
    const woken = [...this.#readers];
    this.#readers.clear();
    for (const reader of woken) reader.wake();
  }

  /** Forgets everybody. */
  clear(): void {
    this.#unschedule();
    this.#readers.clear();
  }

  #unschedule(): void {
    clearImmediate(this.#immediate);
    clearTimeout(this.#timer);
    this.#immediate = undefined;
    this.#timer = undefined;
  }
}
