import { setImmediate as turn } from 'node:timers/promises';
import type { Entry } from '../../src/cache/contract.js';
import { createFlights, type FillRequest, type Flights } from '../../src/cache/flight.js';
import type { FlightLimits } from '../../src/cache/flight-limits.js';
import type { ProxyError } from '../../src/errors.js';
import type { BodyReader } from '../../src/http/body.js';
import { createFakeUpstream, type FakeUpstream, sha256Of } from './fake-fill.js';
import { createStubStore, type StubSpoolHooks, type StubStore } from './stub-spool.js';

const KIB = 1024;

/** Small bounds, so that tests reach them with few bytes. */
export const SMALL_LIMITS: FlightLimits = {
  chunkBytes: 64 * KIB,
  ringBytes: 128 * KIB,
  sharedRingBytes: 1024 * KIB,
  unwrittenBytes: 256 * KIB,
  detachedBytes: 128 * KIB,
  lagMs: 0,
  stallMs: 40,
  lingerMs: 40,
  resumeAttempts: 4,
  resumeProgressBytes: 64 * KIB,
  resumeDelayMs: 1,
  resumeGiveUpMs: 20_000,
};

export interface FlightHarness {
  readonly store: StubStore;
  readonly flights: Flights;
  readonly faults: readonly ProxyError[];
  /** What `onVerified` was told. */
  readonly verified: readonly { readonly sizeBytes: number; readonly entry: Entry | undefined }[];
  request(body: Uint8Array, upstream: FakeUpstream, key?: string): FillRequest;
  /** Joins as the leader of a new flight for `body`, whose length is announced unless told otherwise. */
  start(body: Uint8Array, sizeBytes?: number | 'unknown'): StartedFlight;
  stop(): Promise<void>;
}

export interface StartedFlight {
  readonly upstream: FakeUpstream;
  readonly flight: ReturnType<Flights['join']>['flight'];
}

export function createFlightHarness(hooks: StubSpoolHooks = {}, limits: Partial<FlightLimits> = {}): FlightHarness {
  const store = createStubStore(hooks);
  const faults: ProxyError[] = [];
  const verified: { sizeBytes: number; entry: Entry | undefined }[] = [];
  const flights = createFlights({
    store,
    limits: { ...SMALL_LIMITS, ...limits },
    onFault: (error) => faults.push(error),
  });

  function request(body: Uint8Array, upstream: FakeUpstream, key = 'registry.test/library/app'): FillRequest {
    const digest = sha256Of(body);
    return {
      key: `${key} ${digest}`,
      digest,
      mediaType: undefined,
      open: upstream.open,
      onVerified: async (sizeBytes, entry) => {
        verified.push({ sizeBytes, entry });
      },
    };
  }

  return {
    store,
    flights,
    faults,
    verified,
    request,
    start(body, sizeBytes = body.length) {
      const upstream = createFakeUpstream(sizeBytes === 'unknown' ? undefined : sizeBytes);
      return { upstream, flight: flights.join(request(body, upstream)).flight };
    },
    async stop() {
      await flights.close();
      store.remove();
    },
  };
}

/** Reads on until `endOffset` or the end of the body, and gives the bytes back. */
export async function drain(
  reader: BodyReader,
  options: { from?: number; endOffset?: number; maxBytes?: number } = {},
): Promise<Buffer> {
  const { from = 0, endOffset = Number.POSITIVE_INFINITY, maxBytes = 256 * KIB } = options;
  const parts: Buffer[] = [];
  let offset = from;
  while (offset < endOffset) {
    const piece = await reader.read(offset, Math.min(maxBytes, endOffset - offset));
    if (piece === undefined) break;
    parts.push(Buffer.from(piece.bytes));
    offset += piece.bytes.length;
    piece.release();
  }
  return Buffer.concat(parts);
}

/** Whether a promise is still open after everything that could settle it at once has had its turn. */
export async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const turns = Array.from({ length: 10 });
  const waited = (async () => {
    for (const _ of turns) await turn();
    return true;
  })();
  return Promise.race([
    promise.then(
      () => false,
      () => false,
    ),
    waited,
  ]);
}

/** Waits, a turn of the event loop at a time, until something holds. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await turn();
}

/** A gate that a test opens. */
export function createGate(): { readonly opened: Promise<void>; open(): void } {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open };
}
