import type { StoreStats } from '../inventory/contract.js';

/** How the proxy is doing, in figures: the answer to `GET /api/v1/stats`. */
export interface Stats {
  /** ISO 8601. */
  readonly startedAt: string;
  readonly uptimeMs: number;
  readonly store: StoreStats;
  /** Exchanges since the start, by what the cache did. */
  readonly requests: Readonly<Record<string, number>>;
  /** Body bytes sent to clients since the start, by where they came from. */
  readonly sentBytes: Readonly<Record<string, number>>;
  readonly fillsInFlight: number;
  readonly tunnels: number;
}
