import type { Exchange } from '../http/exchange.js';
import type { PipelineContext } from './context.js';
import type { Trace } from './trace.js';

const FROM_CACHE: ReadonlySet<Trace['cache']> = new Set(['hit', 'collapsed', 'stale']);

/** Writes an exchange down when it is over: one log line, and the metrics that say the same. */
export function record(context: Pick<PipelineContext, 'logger' | 'metrics'>, exchange: Exchange, trace: Trace): void {
  const { logger, metrics } = context;
  const { reply, request } = exchange;
  const ms = performance.now() - trace.startedAt;
  // What is no registry traffic has one label in common, so that the proxy's other uses don't crowd the registries out.
  const registry = trace.kind === 'other' ? 'other' : trace.registry;
  metrics.request({ registry, kind: trace.kind, cache: trace.cache });
  metrics.requestSeconds({ kind: trace.kind, cache: trace.cache }, ms / 1000);
  const fromCache = FROM_CACHE.has(trace.cache);
  if (reply.sentBytes > 0) metrics.sentBytes(registry, fromCache ? 'cache' : 'upstream', reply.sentBytes);
  logger.info(
    {
      id: exchange.id,
      client: exchange.client,
      user: exchange.user,
      registry: trace.registry,
      repository: trace.repository,
      reference: trace.reference,
      kind: trace.kind,
      method: request.method,
      status: reply.status,
      cache: trace.cache,
      reason: trace.reason,
      bytes: reply.sentBytes,
      ms: Math.round(ms),
      upstreamMs: Math.round(trace.upstreamMs),
    },
    'Exchange',
  );
}
