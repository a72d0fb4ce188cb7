import type { Upstreams } from './app-upstream.js';
import type { FactStore } from './cache/contract.js';
import type { Config } from './config/config.js';
import { viaMember } from './http/via.js';
import type { PipelineContext } from './pipeline/context.js';
import { createOfflineTokens } from './pipeline/offline-token.js';
import { createTagTimes } from './pipeline/tag-times.js';
import type { DialTunnel } from './proxy/contract.js';
import type { Logger } from './telemetry/log.js';
import type { Metrics } from './telemetry/metrics.js';
import { AnonymousAsker } from './upstream/anonymous.js';
import type { UpstreamClient } from './upstream/contract.js';
import { createOfflineClient, createOfflineHealth, offlineFault } from './upstream/offline.js';
import { createRateLimits, type RateLimit } from './upstream/rate-limits.js';
import { createRegistryHealth, type Manner, type RegistryHealth, watchedBy } from './upstream/registry-health.js';

/** What the pipeline needs to go on without its registries. */
export interface OutageContext
  extends Pick<PipelineContext, 'upstream' | 'blobs' | 'health' | 'limits' | 'offlineTokens' | 'outage' | 'tagTimes'> {
  readonly stranger: AnonymousAsker;
}

/** The ways out, watched or closed. */
export interface Outage {
  readonly parts: OutageContext;
  readonly connect: Upstreams['connect'];
  readonly dialTunnel: DialTunnel;
  /** Sentences about registries that are away, for readiness. */
  warnings(): string[];
}

export interface OutageParts {
  readonly config: Pick<Config, 'outage' | 'offline' | 'tagTtlMs'>;
  readonly upstreams: Pick<Upstreams, 'requests' | 'blobs' | 'questions' | 'connect' | 'dialTunnel'>;
  readonly facts: FactStore;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly viaId: string;
}

/** The credential of the proxy's own questions, for what registries say about their limits. */
const NOBODY = 'nobody';

/** Puts the watch over registries between the pipeline and the ways out, or closes the ways out (`--offline`). */
export function createOutage({ config, upstreams, facts, logger, metrics, viaId }: OutageParts): Outage {
  const memory = mannerMemory(facts);
  const health = config.offline ? createOfflineHealth(memory.get) : watching({ upstreams, logger, metrics, memory });
  const way = (client: UpstreamClient) => (config.offline ? createOfflineClient() : watchedBy(client, health));
  const upstream = way(upstreams.requests);
  const limits = createRateLimits({ onLimit: (limit) => tellLimit(limit, logger, metrics) });
  const parts = {
    upstream,
    blobs: way(upstreams.blobs),
    health,
    limits,
    offlineTokens: createOfflineTokens(),
    stranger: new AnonymousAsker(limits.limited(upstream, NOBODY), viaMember(viaId)),
    outage: config.offline ? 'serve' : config.outage,
    tagTimes: config.tagTtlMs > 0 ? createTagTimes(config.tagTtlMs) : undefined,
  } as const;
  return {
    parts,
    async connect(target) {
      if (config.offline) throw offlineFault(target.host);
      return upstreams.connect(target);
    },
    async dialTunnel(target) {
      if (config.offline) throw offlineFault(target.host);
      try {
        return await upstreams.dialTunnel(target);
      } catch (error) {
        health.unreachable(target.host, target.port);
        throw error;
      }
    },
    warnings: () => health.away.map(({ registry, what, awayMs }) => awaySentence(registry, what, awayMs)),
  };
}

function awaySentence(registry: string, what: 'registry' | 'token server', awayMs: number): string {
  const seconds = Math.round(awayMs / 1000);
  const subject = what === 'registry' ? registry : `the token server of ${registry}`;
  return `${subject} has not answered for ${seconds} s`;
}

interface WatchingParts extends Pick<OutageParts, 'logger' | 'metrics'> {
  readonly upstreams: Pick<Upstreams, 'questions'>;
  readonly memory: ReturnType<typeof mannerMemory>;
}

function watching({ upstreams, logger, metrics, memory }: WatchingParts): RegistryHealth {
  return createRegistryHealth({
    client: upstreams.questions,
    memory,
    onChange({ registry, what, isAway, awayMs }) {
      metrics.registryUp(registry, what, !isAway);
      const fields = { registry, reason: what, ...(!isAway && { ms: Math.round(awayMs) }) };
      if (isAway) logger.warn(fields, 'The registry does not answer; what is public is given from the store');
      else logger.info(fields, 'The registry answers again');
    },
  });
}

/** Kept beside what is known of hosts: how a registry answers strangers says that it is one. */
function mannerMemory(facts: FactStore) {
  return {
    get: (registry: string) => facts.get<Manner>('host', `manner ${registry}`),
    set: (registry: string, manner: Manner) => facts.set('host', `manner ${registry}`, manner),
  };
}

function tellLimit({ registry, remaining, limit, became }: RateLimit, logger: Logger, metrics: Metrics): void {
  metrics.ratelimitRemaining(registry, remaining);
  if (became === undefined) return;
  const fields = { registry, count: remaining };
  if (became === 'empty') logger.warn(fields, 'The registry says that no pulls are left');
  else logger.warn(fields, `The registry says that few pulls are left, of ${limit}`);
}
