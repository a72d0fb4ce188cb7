/**
 * How much the proxy holds and does for its clients at once. Those of connections are options; the others are wide
 * enough for any use that is none of an attack, and stand here only.
 */
export const LIMITS = {
  /** Handshakes with clients in progress. */
  handshakes: { perClient: 256, total: 1_024 },
  /** Requests that are being answered; more than connections, since a client may send several on one without waiting. */
  exchanges: { perClient: 512, total: 8_192 },
  /** Downloads from registries under way, those included whose client has gone. */
  fills: { perClient: 256, total: 1_024 },
  /** Manifests that are being fetched; each may take 4 MiB of memory. */
  manifests: { perClient: 256, total: 1_024 },
  /** Certificates for hosts that have none yet. One takes a millisecond of this process. */
  mints: { burst: 500, perSecond: 50 },
  /** Connections beyond the limit of connections, kept open only to be told so. */
  turnedAway: { perClient: 16, total: 128 },
} as const;
