import { Readable } from 'node:stream';
import { Access } from '../../src/access/access.js';
import { type CredentialReader, createCredentialReader } from '../../src/access/credential.js';
import type { FactRows } from '../../src/access/fact-rows.js';
import { Grants, type GrantsOptions } from '../../src/access/grants.js';
import { Links } from '../../src/access/links.js';
import { PublicContent } from '../../src/access/public-content.js';
import { createBufferPool } from '../../src/cache/buffer-pool.js';
import type { CacheStore, FactStore } from '../../src/cache/contract.js';
import { createFlights, type Flights } from '../../src/cache/flight.js';
import { LIMITS } from '../../src/config/limits.js';
import type { Exchange, RawHeaders, Reply } from '../../src/http/exchange.js';
import { viaMember } from '../../src/http/via.js';
import type { PipelineContext } from '../../src/pipeline/context.js';
import { handleExchange } from '../../src/pipeline/handle-exchange.js';
import { createHeads, type Heads } from '../../src/pipeline/heads.js';
import { createManifestFetches } from '../../src/pipeline/manifest-fetches.js';
import { createOfflineTokens } from '../../src/pipeline/offline-token.js';
import { createPublicProofs, type PublicProofs } from '../../src/pipeline/public-proofs.js';
import { createStoredManifests } from '../../src/pipeline/stored-manifests.js';
import { createWrongBytes } from '../../src/pipeline/wrong-bytes.js';
import type { Logger } from '../../src/telemetry/log.js';
import type { Metrics } from '../../src/telemetry/metrics.js';
import { AnonymousAsker } from '../../src/upstream/anonymous.js';
import type { UpstreamClient } from '../../src/upstream/contract.js';
import { createRateLimits } from '../../src/upstream/rate-limits.js';
import type { RegistryHealth } from '../../src/upstream/registry-health.js';
import { createMemoryStore } from '../support/memory-store.js';
import type { ModelClock, Oracle, RuleTimes } from './oracle.js';
import { ownerOf } from './pool.js';
import { credentialOf, scopeOf, type World } from './world.js';

/** Where a test puts a mistake in: each part is made here and nowhere else. */
export interface Parts {
  grants(options: GrantsOptions): Grants;
  links(options: ConstructorParameters<typeof Links>[0]): Links;
  publicContent(options: ConstructorParameters<typeof PublicContent>[0]): PublicContent;
  access(parts: ConstructorParameters<typeof Access>[0]): Access;
  credentials(): CredentialReader;
  heads(): Heads;
  upstream(client: UpstreamClient): UpstreamClient;
}

export const RIGHT_PARTS: Parts = {
  grants: (options) => new Grants(options),
  links: (options) => new Links(options),
  publicContent: (options) => new PublicContent(options),
  access: (parts) => new Access(parts),
  credentials: createCredentialReader,
  heads: createHeads,
  upstream: (client) => client,
};

const VIA_ID = 'model';
const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };
const UNCOUNTED: Metrics = {
  request() {},
  requestSeconds() {},
  sentBytes() {},
  upstreamRequest() {},
  upstreamBytes() {},
  retried() {},
  resumed() {},
  eviction() {},
  ratelimitRemaining() {},
  registryUp() {},
  fault() {},
  watch() {},
  totals: async () => ({ requests: {}, sentBytes: {} }),
  render: async () => ({ contentType: '', body: '' }),
};

interface ModelProxyOptions {
  readonly world: World;
  readonly oracle: Oracle;
  readonly clock: ModelClock;
  readonly times: RuleTimes;
  readonly parts: Parts;
}

export interface ModelRequest {
  readonly host: string;
  readonly repository: string;
  readonly method: string;
  readonly path: string;
  readonly headers: RawHeaders;
}

/** What a watch over the world's registries would find out, at once. */
function healthOf(world: World): RegistryHealth {
  return {
    isAway: ({ host }, anonymous) => world.isKnownToBeAway(host, anonymous),
    patienceMs: () => 60_000,
    answers: async () => true,
    tokenServerAnswers: async ({ host }) => !world.isAway(host, true),
    manner: async () => ({}),
    answered() {},
    failed() {},
    unreachable() {},
    away: [],
    close() {},
  };
}

/** The real pipeline over a store in memory, with the model's clocks. Only the sockets are missing. */
export class ModelProxy {
  readonly #options: ModelProxyOptions;
  readonly #rows = new Map<string, unknown>();
  readonly store: CacheStore = createMemoryStore();
  readonly #flights: Flights;
  #publicProofs!: PublicProofs;
  #context!: PipelineContext;
  #requests = 0;
  /** Bodies that began, by what Cache-Status said: a history in which nothing is served proves nothing. */
  readonly served = new Map<string, number>();
  readonly violations: string[] = [];

  constructor(options: ModelProxyOptions) {
    this.#options = options;
    const limits = { lingerMs: 1, stallMs: 1000, resumeDelayMs: 0 };
    this.#flights = createFlights({ store: this.store, buffers: createBufferPool(), limits });
    this.restart();
  }

  /** A new process on the same disk. */
  restart(): void {
    const { clock, times, parts, oracle } = this.#options;
    const rows = this.#facts();
    const wallNow = () => clock.wallMs;
    const storedManifests = createStoredManifests(this.store);
    const upstream = parts.upstream(this.#options.world);
    const access = parts.access({
      grants: parts.grants({ ttlMs: times.grantTtlMs, now: () => clock.monotonicMs }),
      links: parts.links({ rows, maxAgeMs: times.linkMaxAgeMs, now: wallNow }),
      publicContent: parts.publicContent({ rows, ttlMs: times.publicTtlMs, now: wallNow }),
      manifests: (digest) => storedManifests.read(digest),
      mode: 'check',
    });
    const stranger = new AnonymousAsker(upstream, viaMember(VIA_ID));
    this.#publicProofs = createPublicProofs({
      access: {
        isPublic: (scope, digest) => access.isPublic(scope, digest),
        dropPublic: (scope, digest) => access.dropPublic(scope, digest),
        // The proof carries the time of the real clock; in here it is the model's, which stands still during a step.
        provePublic: (scope, digest) => access.provePublic(scope, digest, clock.wallMs),
      },
      ask: ({ target, repository, digest, sizeBytes }) => stranger.isPublic(target, repository, digest, sizeBytes),
      everyMs: times.publicTtlMs,
      now: () => clock.monotonicMs,
    });
    this.#context = {
      access,
      credentials: parts.credentials(),
      store: this.store,
      facts: rows,
      flights: this.#flights,
      upstream,
      blobs: upstream,
      heads: parts.heads(),
      manifestFetches: createManifestFetches(LIMITS.manifests),
      storedManifests,
      wrongBytes: createWrongBytes(() => clock.monotonicMs),
      publicProofs: this.#publicProofs,
      stranger,
      health: healthOf(this.#options.world),
      limits: createRateLimits({ onLimit() {}, now: () => clock.monotonicMs }),
      offlineTokens: createOfflineTokens(wallNow),
      outage: 'serve',
      tagTimes: undefined,
      logger: SILENT,
      metrics: UNCOUNTED,
      viaId: VIA_ID,
      onDelivered() {},
    };
    oracle.restart();
  }

  /** Answers requests at the same time, and waits until nothing of them is left running. */
  async answer(requests: readonly ModelRequest[]): Promise<void> {
    await Promise.all(requests.map((request) => handleExchange(this.#context, this.#exchange(request))));
    await this.#publicProofs.idle();
    while (this.#flights.size > 0) await new Promise((resolve) => setImmediate(resolve));
  }

  #exchange(request: ModelRequest): Exchange {
    this.#requests += 1;
    return {
      id: String(this.#requests),
      client: '127.0.0.1',
      target: { scheme: 'https', host: request.host, port: 443 },
      request: { ...request, body: Readable.from([]), hasBody: false },
      reply: this.#reply(request),
      signal: new AbortController().signal,
    };
  }

  #reply(request: ModelRequest): Reply {
    const watch = (bytes: Uint8Array, headers: RawHeaders) => this.#judge(request, bytes, headers);
    let head: RawHeaders = [];
    return {
      headSent: false,
      sentBytes: 0,
      status: 0,
      head(status, headers) {
        Object.assign(this, { headSent: true, status });
        head = headers;
      },
      async write(bytes) {
        if (this.sentBytes === 0) watch(bytes, head);
        Object.assign(this, { sentBytes: this.sentBytes + bytes.length });
      },
      async end() {},
      async send(status, headers, bytes) {
        this.head(status, headers);
        await this.write(bytes);
      },
      destroy() {},
    };
  }

  /** A body begins: whose bytes are these, and may this credential have them here? */
  #judge(request: ModelRequest, bytes: Uint8Array, headers: RawHeaders): void {
    const content = ownerOf(Buffer.from(bytes));
    if (!content) return;
    const said = headers[headers.findIndex((name) => name.toLowerCase() === 'cache-status') + 1] ?? '';
    this.served.set(said, (this.served.get(said) ?? 0) + 1);
    const scope = scopeOf(request.host, request.repository);
    const credential = credentialOf(request.headers);
    const isStale = this.#options.world.isAway(request.host, credential === '');
    const objection = this.#options.oracle.objection(scope, credential, content, isStale);
    if (objection === undefined) return;
    this.violations.push(
      `${objection}: ${request.method} ${request.host}${request.path} gave ${content.digest} (${said})`,
    );
  }

  #facts(): FactStore & FactRows {
    const rows = this.#rows;
    return {
      get: async <T>(kind: string, key: string) => rows.get(`${kind}:${key}`) as T | undefined,
      set: async (kind: string, key: string, value: unknown) => void rows.set(`${kind}:${key}`, value),
      delete: async (kind: string, key: string) => void rows.delete(`${kind}:${key}`),
      page: async () => [],
    };
  }
}
