/** How long an upstream is waited for. */
export interface UpstreamTimeouts {
  /** Resolving the name and TCP together. */
  readonly connectMs: number;
  /** The TLS handshake; as long as `connectMs` where it is not said. */
  readonly tlsMs?: number;
  /** From the request to the head of the answer. */
  readonly headMs: number;
  /** Between two pieces of a body. */
  readonly idleMs: number;
  /** What a blob's body has to bring at least, on average over each `rateWindowMs` in which we were ready to read; 0 or absent for anything. */
  readonly minBytesPerSecond?: number;
  /** A minute unless said otherwise. */
  readonly rateWindowMs?: number;
}

/** One who connects, shakes hands and then says nothing is given up after 40 s; `README.md` has the table. */
export const DEFAULT_TIMEOUTS: UpstreamTimeouts = {
  connectMs: 5_000,
  tlsMs: 5_000,
  headMs: 30_000,
  idleMs: 60_000,
  minBytesPerSecond: 1024,
};

export const RATE_WINDOW_MS = 60_000;

/**
 * What to do with the rest of a body that nobody wants, the same for every client: it is read to its end where that
 * is at most `DISCARD_BYTES` and takes at most `DISCARD_MS`, so that the connection can be used again; otherwise the
 * connection is closed. One that drips is not worth waiting for.
 */
export const DISCARD_BYTES = 64 * 1024;
export const DISCARD_MS = 2_000;
