import { Readable } from 'node:stream';
import { Access } from '../../src/access/access.js';
import { createCredentialReader } from '../../src/access/credential.js';
import { Grants } from '../../src/access/grants.js';
import { Links } from '../../src/access/links.js';
import { PublicContent } from '../../src/access/public-content.js';
import type { CacheStore } from '../../src/cache/contract.js';
import { createFlights } from '../../src/cache/flight.js';
import { LIMITS } from '../../src/config/limits.js';
import type { Exchange, Target } from '../../src/http/exchange.js';
import { parseRoute } from '../../src/oci/route.js';
import { upstreamFor } from '../../src/pipeline/ask-upstream.js';
import type { PipelineContext } from '../../src/pipeline/context.js';
import { handleExchange } from '../../src/pipeline/handle-exchange.js';
import { createHeads } from '../../src/pipeline/heads.js';
import { createManifestFetches } from '../../src/pipeline/manifest-fetches.js';
import { createOfflineTokens } from '../../src/pipeline/offline-token.js';
import { createPublicProofs } from '../../src/pipeline/public-proofs.js';
import { createStoredManifests } from '../../src/pipeline/stored-manifests.js';
import { createTagTimes } from '../../src/pipeline/tag-times.js';
import { startTrace } from '../../src/pipeline/trace.js';
import { type ContentRoute, scopeOf, type Visit } from '../../src/pipeline/visit.js';
import { createWrongBytes } from '../../src/pipeline/wrong-bytes.js';
import { canonicalRegistry } from '../../src/registries/aliases.js';
import type { LogFields } from '../../src/telemetry/log.js';
import { createMetrics } from '../../src/telemetry/metrics.js';
import { AnonymousAsker } from '../../src/upstream/anonymous.js';
import { createBlobClient } from '../../src/upstream/blob-client.js';
import type { WatchTimes } from '../../src/upstream/endpoint-watch.js';
import { createRateLimits, type RateLimit } from '../../src/upstream/rate-limits.js';
import { createRegistryHealth, watchedBy } from '../../src/upstream/registry-health.js';
import { DEFAULT_TIMEOUTS } from '../../src/upstream/timeouts.js';
import { type FakeRegistry, type RegistryOptions, startFakeRegistry } from '../support/fake-registry.js';
import { createMemoryFacts } from '../support/memory-facts.js';
import { createMemoryStore } from '../support/memory-store.js';
import { authority, loopbackGuard, testClient, testTrust } from '../upstream/loopback.js';
import { type RecordedReply, type ReplyOptions, recordReply } from './recorded-reply.js';

export interface Asked extends ReplyOptions {
  readonly method?: string;
  readonly path: string;
  readonly headers?: readonly string[];
  readonly body?: Buffer;
  readonly target?: Target;
  readonly signal?: AbortSignal;
}

export interface StageOptions extends RegistryOptions {
  readonly access?: 'check' | 'open';
  readonly store?: CacheStore;
  readonly outage?: 'serve' | 'fail';
  readonly tagTtlMs?: number;
  readonly watch?: Partial<WatchTimes>;
}

/** The pipeline with all its real parts, in front of the fake registry; only disk and client are in memory. */
export interface Stage extends AsyncDisposable {
  readonly registry: FakeRegistry;
  readonly context: PipelineContext;
  readonly store: CacheStore;
  readonly log: readonly { readonly level: string; readonly fields: LogFields; readonly message: string }[];
  /** Hosts that have delivered. */
  readonly delivered: readonly Target[];
  /** Registries that went away or came back, in words. */
  readonly changes: readonly string[];
  /** What registries said of their limits. */
  readonly told: readonly RateLimit[];
  readonly target: Target;
  /** Monotonic milliseconds that are added to the clock of the grants. */
  advance(ms: number): void;
  exchange(asked: Asked): Exchange & { readonly reply: RecordedReply };
  visit(asked: Asked): Visit & { readonly exchange: { readonly reply: RecordedReply } };
  /** One request through the whole pipeline. */
  ask(asked: Asked): Promise<RecordedReply>;
  /** `METHOD kind` of what went upstream, without the proxy's own questions. */
  sent(): string[];
  close(): Promise<void>;
}

export async function openStage({
  access: mode = 'check',
  store = createMemoryStore(),
  ...options
}: StageOptions = {}): Promise<Stage> {
  const registry = await startFakeRegistry({ ...options, authority });
  const target: Target = { scheme: 'https', host: '127.0.0.1', port: registry.port };
  const facts = createMemoryFacts();
  const log: { level: string; fields: LogFields; message: string }[] = [];
  const delivered: Target[] = [];
  const questions = testClient();
  const health = createRegistryHealth({
    client: questions,
    memory: {
      get: (name) => facts.get('host', `manner ${name}`),
      set: (name, manner) => facts.set('host', `manner ${name}`, manner),
    },
    onChange: ({ registry: name, isAway }) => void changes.push(`${name} ${isAway ? 'away' : 'back'}`),
    times: options.watch ?? {},
  });
  const limits = createRateLimits({ onLimit: (limit) => void told.push(limit), now: () => performance.now() + added });
  const changes: string[] = [];
  const told: RateLimit[] = [];
  const plain = testClient();
  const upstream = watchedBy(plain, health);
  const blobs = watchedBy(createBlobClient({ guard: loopbackGuard(), trust: testTrust() }, DEFAULT_TIMEOUTS), health);
  const flights = createFlights({ store, limits: { lingerMs: 40, resumeDelayMs: 1 } });
  const storedManifests = createStoredManifests(store);
  let added = 0;
  const access = new Access({
    grants: new Grants({ ttlMs: 60_000, now: () => performance.now() + added }),
    links: new Links({ rows: facts, maxAgeMs: 30 * 86_400_000 }),
    publicContent: new PublicContent({ rows: facts, ttlMs: 3600_000 }),
    manifests: (digest) => storedManifests.read(digest),
    mode,
  });
  const asker = new AnonymousAsker(limits.limited(upstream, 'nobody'), '1.1 entrepot-stage');
  const publicProofs = createPublicProofs({
    access,
    ask: ({ target, repository, digest, sizeBytes }) => asker.isPublic(target, repository, digest, sizeBytes),
    everyMs: 3600_000,
  });
  function write(level: string) {
    return (fields: LogFields, message: string) => void log.push({ level, fields, message });
  }
  const context: PipelineContext = {
    access,
    credentials: createCredentialReader(),
    store,
    facts,
    flights,
    upstream,
    blobs,
    heads: createHeads(),
    manifestFetches: createManifestFetches(LIMITS.manifests),
    storedManifests,
    publicProofs,
    wrongBytes: createWrongBytes(() => performance.now() + added),
    stranger: asker,
    health,
    limits,
    offlineTokens: createOfflineTokens(),
    outage: options.outage ?? 'serve',
    tagTimes: options.tagTtlMs ? createTagTimes(options.tagTtlMs, () => performance.now() + added) : undefined,
    logger: { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') },
    metrics: createMetrics({ nodeDefaults: false }),
    viaId: 'stage',
    onDelivered: (target) => void delivered.push(target),
  };

  function exchange(asked: Asked): Exchange & { readonly reply: RecordedReply } {
    const { method = 'GET', path, headers = [], body, signal = new AbortController().signal } = asked;
    return {
      id: 'test-1',
      client: '192.0.2.1',
      target: asked.target ?? target,
      request: { method, path, headers, body: Readable.from(body ? [body] : []), hasBody: body !== undefined },
      reply: recordReply(asked),
      signal,
    };
  }

  function visit(asked: Asked): Visit & { readonly exchange: { readonly reply: RecordedReply } } {
    const made = exchange(asked);
    const { host, port, scheme } = made.target;
    const route = parseRoute(made.request.method, made.request.path) as ContentRoute;
    const trace = startTrace(made, route, canonicalRegistry(host, port, scheme));
    const credential = context.credentials.read(made.request.headers);
    return {
      context,
      exchange: made,
      trace,
      route,
      scope: scopeOf(trace.registry, route),
      credential,
      stranger: false,
      upstream: limits.limited(upstreamFor(context, trace, upstream), credential.id),
      blobs: limits.limited(upstreamFor(context, trace, blobs), credential.id),
    };
  }

  async function close(): Promise<void> {
    health.close();
    await publicProofs.close();
    await flights.close();
    await Promise.all([upstream.close(), blobs.close(), questions.close()]);
    await registry.close();
  }

  return {
    registry,
    context,
    store,
    log,
    delivered,
    changes,
    told,
    target,
    advance: (ms) => {
      added += ms;
    },
    exchange,
    visit,
    async ask(asked) {
      const made = exchange(asked);
      await handleExchange(context, made);
      return made.reply;
    },
    sent: () => registry.find({ own: false }).map(({ method, kind }) => `${method} ${kind}`),
    close,
    [Symbol.asyncDispose]: close,
  };
}
