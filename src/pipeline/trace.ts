import type { CacheStatus } from '../http/cache-status.js';
import type { Exchange } from '../http/exchange.js';
import type { RegistryRoute, RouteKind } from '../oci/route.js';

/** What the cache did for an exchange; the same word stands in the log and in the metrics. */
export type CacheOutcome = 'hit' | 'miss' | 'collapsed' | 'partial' | 'request' | 'stale' | 'bypass' | 'none';

/** What is written down about one exchange while it runs; `record` turns it into a log line and metrics. */
export interface Trace {
  readonly id: string;
  readonly startedAt: number;
  readonly registry: string;
  readonly repository: string | undefined;
  readonly reference: string | undefined;
  readonly kind: RouteKind;
  cache: CacheOutcome;
  reason: string;
  /** Time spent waiting for heads of upstream answers, milliseconds. */
  upstreamMs: number;
}

export function startTrace(exchange: Exchange, route: RegistryRoute, registry: string): Trace {
  return {
    id: exchange.id,
    startedAt: performance.now(),
    registry,
    repository: 'repository' in route ? route.repository : undefined,
    reference: 'reference' in route ? route.reference : undefined,
    kind: route.kind,
    cache: 'none',
    reason: '',
    upstreamMs: 0,
  };
}

/** The reason of a miss that the store has no room or no disk for. */
export const NOT_STORED = 'not-stored';

/** Notes the outcome, and gives the Cache-Status that says the same to the client. */
export function note(trace: Trace, cache: CacheOutcome, reason: string): CacheStatus {
  trace.cache = cache;
  trace.reason = reason;
  switch (cache) {
    case 'hit':
      return { hit: true, detail: reason };
    case 'miss':
      return { fwd: 'uri-miss', ...kept(reason) };
    case 'collapsed':
      return { fwd: 'uri-miss', collapsed: true };
    case 'partial':
      return { fwd: 'partial', detail: reason };
    case 'stale':
      return { fwd: 'stale', detail: reason };
    case 'request':
      return { fwd: 'request', ...kept(reason) };
    default:
      return { fwd: 'bypass', detail: reason };
  }
}

function kept(reason: string): CacheStatus {
  return reason === NOT_STORED ? { detail: reason } : { stored: true };
}
