import { ProxyError } from '../errors.js';
import type { Digest } from '../oci/digest.js';
import { type BufferPool, createBufferPool } from './buffer-pool.js';
import type { CacheStore, KeptSpool } from './contract.js';
import type { FillRequest, Flight } from './flight-contract.js';
import { Fill, type FillContext } from './flight-fill.js';
import { FLIGHT_LIMITS, type FlightLimits } from './flight-limits.js';
import { createChunkMemory } from './flight-window.js';

export {
  type FillBody,
  type FillOpener,
  type FillRequest,
  type FillResumer,
  type Flight,
  type FlightOutcome,
} from './flight-contract.js';

/** The table of running downloads: one for each key, however many ask. */
export interface Flights {
  /**
   * The running flight of this key, or a new one that starts at once. `leader` is true for the one whose request
   * started it. Never gives a flight that has failed or that could not serve a newcomer from the first byte.
   * Throws `shutting-down` after `close`, and `overloaded` where a new one would be one too many.
   */
  join(request: FillRequest): { readonly flight: Flight; readonly leader: boolean };
  /** The flight that a newcomer would join. */
  find(key: string): Flight | undefined;
  /** Flights that still hold memory or files, those that only finish serving their readers included. */
  readonly size: number;
  /** Aborts every flight and waits for their files to be closed. What is verified already is still stored. */
  close(): Promise<void>;
}

export interface FlightsOptions {
  readonly store: Pick<CacheStore, 'createSpool' | 'takeKept'>;
  /** Memory for chunks, and for bytes that are read back from disk, to be shared with the store. */
  readonly buffers?: BufferPool;
  /** Told of each fault of the disk or of a caller's `onVerified`; no client sees them. */
  readonly onFault?: (error: ProxyError) => void;
  readonly limits?: Partial<FlightLimits>;
  /** How many flights there may be at once: started by one client, and in all. */
  readonly places?: FlightPlaces;
}

export interface FlightPlaces {
  readonly perClient: number;
  readonly total: number;
}

/** Makes an empty table of flights. */
export function createFlights(options: FlightsOptions): Flights {
  const limits = { ...FLIGHT_LIMITS, ...options.limits };
  const buffers = options.buffers ?? createBufferPool();
  const table = new Map<string, Fill>();
  const fills = new Map<Fill, string>();
  let closing: ProxyError | undefined;

  const context: FillContext = {
    createSpool: (expectedBytes, digest, key) => options.store.createSpool(expectedBytes, digest, key),
    takeKept,
    memory: createChunkMemory(limits.chunkBytes, buffers),
    buffers,
    limits,
    ringBytes: () => Math.max(limits.chunkBytes, Math.min(limits.ringBytes, limits.sharedRingBytes / fills.size)),
    onFault: (error) => options.onFault?.(error),
    onLeave: (fill) => {
      if (table.get(fill.key) === fill) table.delete(fill.key);
    },
    onGone: (fill) => {
      fills.delete(fill);
    },
  };

  /** What a flight that has just failed leaves is there a moment later. */
  async function takeKept(digest: Digest, key: string): Promise<KeptSpool | undefined> {
    for (const fill of fills.keys()) if (fill.key === key) await fill.gone;
    return options.store.takeKept?.(digest, key);
  }

  /** Flights go on when their clients leave, and so they are what has to be counted. */
  function checkPlaces(places: FlightPlaces, client: string): void {
    const own = [...fills.values()].filter((starter) => starter === client).length;
    if (fills.size < places.total && own < places.perClient) return;
    throw new ProxyError('overloaded', 'Too many downloads are under way; try again in a moment.');
  }

  function start(request: FillRequest): Fill {
    if (options.places) checkPlaces(options.places, request.client ?? '');
    const fill = new Fill(request, context);
    table.set(request.key, fill);
    fills.set(fill, request.client ?? '');
    return fill;
  }

  return {
    join(request) {
      if (closing !== undefined) throw closing;
      const running = table.get(request.key);
      const fill = running ?? start(request);
      fill.expectReader();
      return { flight: fill, leader: running === undefined };
    },
    find: (key) => table.get(key),
    get size() {
      return fills.size;
    },
    async close() {
      closing ??= new ProxyError('shutting-down', 'the proxy is shutting down');
      const error = closing;
      await Promise.all([...fills.keys()].map((fill) => fill.close(error)));
    },
  };
}
