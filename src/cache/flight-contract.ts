import type { BodyReader } from '../http/body.js';
import type { Digest } from '../oci/digest.js';
import type { Entry } from './contract.js';

/** What the upstream gave for a fill. */
export interface FillBody {
  /** Whole length in bytes from the upstream's head, undefined when it gave none. */
  readonly sizeBytes: number | undefined;
  /** Where in the content the body begins; undefined and 0 stand for the whole. Never further than was asked for. */
  readonly startBytes?: number;
  /**
   * Pumps the body into `sink` until its clean end. `bytes` are valid only during the call; a returned promise pauses
   * the upstream. Rejects with a ProxyError (upstream-truncated, upstream-timeout and others).
   */
  pump(sink: (bytes: Uint8Array) => void | Promise<void>): Promise<void>;
  /** Gives the upstream up. Safe to call at any time. */
  abort(): void;
}

/**
 * Opens the upstream's body, from `fromBytes` on where that much is kept from before; the upstream may give the whole
 * all the same. A rejection, which may carry the registry's own answer, becomes the flight's as it is.
 */
export type FillOpener = (signal: AbortSignal, fromBytes: number) => Promise<FillBody>;

/**
 * Asks again for a body that broke off, from `fromBytes` on, with everything that could have expired made anew. The
 * upstream may give the whole all the same. Rejects with a ProxyError, which is a ResumeFault where there is more to say.
 */
export type FillResumer = (signal: AbortSignal, fromBytes: number) => Promise<FillBody>;

/** Asks for one download. */
export interface FillRequest {
  /** Registry, repository and digest, put together by the caller. */
  readonly key: string;
  readonly digest: Digest;
  readonly mediaType: string | undefined;
  /** How long the body will be, as far as that is known before the upstream was asked: its place is made meanwhile. */
  readonly expectedBytes?: number | undefined;
  readonly open: FillOpener;
  /** The same client's way to go on; without one, and without anybody's offer, a body that breaks off is lost. */
  readonly resume?: FillResumer;
  /** The address of the client that asks, for which flights are counted. */
  readonly client?: string;
  /**
   * Called when the bytes are verified, and either stored (with an entry) or not, before the flight leaves the table.
   * A rejection is reported as a fault and changes nothing.
   */
  readonly onVerified: (sizeBytes: number, entry: Entry | undefined) => Promise<void>;
}

/** How a flight ended. */
export type FlightOutcome =
  | { readonly kind: 'stored'; readonly entry: Entry }
  | { readonly kind: 'verified' }
  | { readonly kind: 'failed'; readonly error: unknown };

/** One download, which belongs to nobody and is read by everybody who may. */
export interface Flight {
  readonly digest: Digest;
  /** Resolves when the upstream's head is here; rejects with what the opener rejected with, or what ended the flight before. */
  readonly head: Promise<{ readonly sizeBytes: number | undefined }>;
  /** Resolves when the flight is over. Never rejects. */
  readonly done: Promise<FlightOutcome>;
  /** Whether all bytes are here and have the digest; they may still be on their way into the store. */
  readonly verified: boolean;
  /** Whether the bytes are on their way to the store, as far as is known now. */
  readonly isStoring: boolean;
  /** Bytes received so far. */
  readonly receivedBytes: number;
  /**
   * A reader of this flight; each client has its own, and closes it. Every joining should take one soon: a flight that
   * is over, or that cannot be stored, doesn't wait long for those who don't. Reads of a flight that is gone reject
   * with a `store` fault.
   */
  reader(): BodyReader;
  /**
   * A follower's way to go on where the upstream breaks off; the newest is tried first. Gives the function that takes
   * the offer back, for when the client is gone.
   */
  offer(resume: FillResumer): () => void;
  /**
   * A place for a range that is passed through because it lies too far ahead, two per flight: gives the function that
   * frees the place, or undefined when both are taken.
   */
  takeBypass(): (() => void) | undefined;
}
