import { Access } from './access/access.js';
import { createCredentialReader } from './access/credential.js';
import { Grants } from './access/grants.js';
import { Links } from './access/links.js';
import { PublicContent } from './access/public-content.js';
import { createAdminServer } from './admin/server.js';
import type { Stats } from './admin/stats.js';
import { openAdminToken } from './admin/token.js';
import { openAuthority } from './app-authority.js';
import { createFaultTeller, proxyEvents, storeEvents, watchUpkeep } from './app-events.js';
import { createOutage, type OutageContext } from './app-outage.js';
import { openness, readinessOf, withWarnings } from './app-readiness.js';
import { createUpstreams } from './app-upstream.js';
import { createBufferPool } from './cache/buffer-pool.js';
import { createFlights } from './cache/flight.js';
import { readInstallationId } from './cache/installation-id.js';
import { type Cache, openCache } from './cache/open-cache.js';
import type { Config } from './config/config.js';
import { LIMITS } from './config/limits.js';
import { listenProblem } from './config/listen-problem.js';
import type { Exchange, Target } from './http/exchange.js';
import { createLocalInventory } from './inventory/local-inventory.js';
import { parseOverrides } from './net/address-overrides.js';
import { parseRanges } from './net/address-ranges.js';
import { createEgressGuard, type Listener } from './net/egress-guard.js';
import { parseHostPatterns } from './net/host-pattern.js';
import { createNameLookup } from './net/name-lookup.js';
import { parseImagePattern } from './oci/image-pattern.js';
import type { PipelineContext } from './pipeline/context.js';
import { handleExchange } from './pipeline/handle-exchange.js';
import { createHeads } from './pipeline/heads.js';
import { createManifestFetches } from './pipeline/manifest-fetches.js';
import { createPublicProofs } from './pipeline/public-proofs.js';
import { createStoredManifests } from './pipeline/stored-manifests.js';
import { createWrongBytes } from './pipeline/wrong-bytes.js';
import { createProxyListener } from './proxy/listener.js';
import { openProxyAuth, type ProxyAuth } from './proxy/proxy-auth.js';
import { createRegistryProbe, type HostMemory } from './proxy/registry-probe.js';
import { createHostPolicy } from './proxy/verdict.js';
import { plainRegistries } from './registries/plain-http.js';
import { createLogger, type Logger } from './telemetry/log.js';
import { createMetrics } from './telemetry/metrics.js';
import type { Authority } from './tls/authority.js';
import type { NextAuthority } from './tls/rotation.js';
import { askWhetherRegistry } from './upstream/registry-question.js';
import { loadTrust } from './upstream/trust.js';

export interface RunningApp {
  readonly proxy: { readonly host: string; readonly port: number };
  /** Undefined where the admin port is off. */
  readonly admin: { readonly host: string; readonly port: number } | undefined;
  /** Undefined where nothing is opened, and so nothing is to be trusted. */
  readonly authority: Pick<Authority, 'certificatePath' | 'fingerprintSha256' | 'created'> | undefined;
  /** The coming authority, where a rotation was under way at the start. */
  readonly nextAuthority: NextAuthority | undefined;
  readonly logger: Logger;
  /** Drains and stops everything, in the reverse order of the start. Safe to call more than once. */
  stop(): Promise<void>;
}

/** Memory for manifests and image configurations that are asked for often. */
const HOT_BYTES = 32 * 1024 * 1024;

/** How many parts are closed in turn; each is told once. */
type Closer = () => Promise<void>;

/**
 * Builds the whole proxy from a configuration and starts it. Nothing is listening when this rejects: with ConfigError
 * for what the configuration names (a busy port, an unusable CA), or a `store` fault for a data folder that is of no use.
 */
export async function startApp(config: Config): Promise<RunningApp> {
  const logger = createLogger({ level: config.logLevel, format: config.logFormat });
  const closers: Closer[] = [];
  try {
    return await start(config, logger, closers);
  } catch (error) {
    await closeAll(closers);
    throw error;
  }
}

async function closeAll(closers: Closer[]): Promise<void> {
  for (let close = closers.pop(); close; close = closers.pop()) await close();
}

async function start(config: Config, logger: Logger, closers: Closer[]): Promise<RunningApp> {
  const metrics = createMetrics();
  const authority = await openAuthority(config, logger);
  closers.push(async () => authority.close());
  const { leaves } = authority;
  const registries = config.registries ?? [];
  const trust = await loadTrust({
    extraFiles: config.upstreamCa,
    ownKeys: () => authority.ownKeys(),
    registries,
    onInsecure: (host, port) => logger.warn({ host, port }, 'The certificate of this host is not checked'),
  });
  const insecure = registries.filter((one) => one.insecure).map((one) => one.pattern);
  for (const host of insecure)
    logger.warn({ host }, 'Certificates are not checked here (insecure in the configuration)');

  const tellFault = createFaultTeller(logger, metrics);
  const pool = createBufferPool();
  const cache = await openCache({
    directory: config.dataDir,
    events: storeEvents(logger, metrics, tellFault),
    pool,
    hotBytes: HOT_BYTES,
    scrubRoundMs: config.scrubRoundMs,
    room: config,
    pinPatterns: config.pins.map(parseImagePattern),
  });
  closers.push(() => cache.close());
  const viaId = await readInstallationId(config.dataDir);

  const own: Listener[] = [];
  const guard = createEgressGuard({
    allow: parseRanges(config.egressAllow),
    deny: parseRanges(config.egressDeny),
    ownListeners: () => own,
    overrides: parseOverrides(config.resolve),
    resolve: createNameLookup(),
  });
  const plain = plainRegistries(registries);
  const policy = createHostPolicy({
    ...config,
    intercept: authority.watched ? [...config.intercept, ...plain.patterns] : config.intercept,
  });
  const upstreams = createUpstreams({
    config,
    guard,
    trust,
    policy,
    viaId,
    ownListeners: () => own,
    logger,
    onRetry: (host) => metrics.retried(host),
  });
  closers.push(() => upstreams.close());
  const outage = createOutage({ config, upstreams, facts: cache.facts, logger, metrics, viaId });
  closers.push(async () => outage.parts.health.close());

  const flights = createFlights({
    store: cache.store,
    buffers: pool,
    onFault: tellFault,
    places: LIMITS.fills,
  });
  closers.push(() => flights.close());
  const probe = createRegistryProbe({
    ask: (host, port, signal) => askWhetherRegistry(outage.parts.upstream, { scheme: 'https', host, port }, signal),
    memory: hostMemory(cache),
  });
  closers.push(async () => probe.close());
  const context = pipelineContext({
    config,
    cache,
    flights,
    ...outage.parts,
    viaId,
    logger,
    metrics,
    onDelivered: learn,
  });
  closers.push(() => context.publicProofs.close());

  function learn({ scheme, host, port }: Target): void {
    if (scheme === 'https') probe.learn(host, port);
  }

  const proxyAuth = await openPasswords(config, logger);
  if (proxyAuth) closers.push(() => proxyAuth.close());

  const startedAt = Date.now();
  const stats = async (): Promise<Omit<Stats, 'store'>> => ({
    startedAt: new Date(startedAt).toISOString(),
    uptimeMs: Date.now() - startedAt,
    ...(await metrics.totals()),
    fillsInFlight: flights.size,
    tunnels: listener.tunnels,
  });
  const admin =
    config.adminListen &&
    (await createAdminServer({
      listen: config.adminListen,
      metrics,
      offer: () => authority.offer(),
      readiness: () =>
        withWarnings(readinessOf(cache, authority.watched, insecure, upstreams.parentsLeftOut()), [
          ...openness(config),
          ...outage.warnings(),
        ]),
      stats: () => stats(),
      inventory: createLocalInventory(cache),
      token: config.adminToken ?? (await openAdminToken(config.dataDir)),
      hosts: parseHostPatterns(config.adminHosts),
      logger,
    }));
  if (admin) {
    closers.push(() => admin.close());
    own.push({ address: admin.host, port: admin.port });
  }

  const listener = createProxyListener({
    ...config.listen,
    allowClients: parseRanges(config.allowClients),
    proxyAuth,
    limits: { ...LIMITS, connections: { perClient: config.maxClientConnections, total: config.maxConnections } },
    policy: { ...policy, permits: (host) => authority.permits(host) },
    probe,
    guard,
    leaves,
    handler: (exchange) => handleExchange(context, exchangeFor(exchange, plain.behind(exchange.target))),
    dialUpstream: outage.connect,
    dialTunnel: outage.dialTunnel,
    viaId,
    origin: (path) => authority.origin(path),
    events: proxyEvents(logger, metrics),
  });
  const proxy = await listener.listen().catch((error: unknown) => {
    throw listenProblem('listen', config.listen, error);
  });
  own.push({ address: proxy.host, port: proxy.port });
  closers.push(() => listener.close({ drainMs: config.drainMs }));
  setImmediate(() => trust.prepare?.());

  metrics.watch('fillsInFlight', () => flights.size);
  metrics.watch('storeBytes', () => cache.store.usage.bytes);
  metrics.watch('storeEntries', () => cache.store.usage.entries);
  watchUpkeep(metrics, cache);
  metrics.watch('leafCertificates', () => leaves.size);
  metrics.watch('tunnels', () => listener.tunnels);
  metrics.watch('authorityExpiresSeconds', () => authority.expiresSeconds());
  metrics.watch('insecureRegistries', () => insecure.length);
  metrics.watch('parentsAway', () => upstreams.parentsLeftOut().length);
  if (isOpenByDefault(config)) {
    logger.warn(
      { listen: config.listen.host, ranges: config.allowClients.join(' ') },
      'Every machine in these ranges may use this proxy; name fewer with --allow-clients, or ask for passwords with --proxy-auth',
    );
  }
  for (const warning of openness(config)) logger.warn({}, warning);

  let stopping: Promise<void> | undefined;
  return {
    proxy,
    admin: admin && { host: admin.host, port: admin.port },
    authority: authority.watched?.authorities.current,
    nextAuthority: authority.watched?.authorities.next,
    logger,
    stop: () => {
      stopping ??= closeAll(closers);
      return stopping;
    },
  };
}

interface PipelineParts
  extends OutageContext,
    Pick<PipelineContext, 'flights' | 'viaId' | 'logger' | 'metrics' | 'onDelivered'> {
  readonly config: Config;
  readonly cache: Cache;
}

function pipelineContext({ config, cache, ...parts }: PipelineParts): PipelineContext {
  const { store, facts } = cache;
  const storedManifests = createStoredManifests(store);
  const access = new Access({
    grants: new Grants({ ttlMs: config.grantTtlMs }),
    links: new Links({ rows: facts, maxAgeMs: config.linkMaxAgeMs }),
    publicContent: new PublicContent({
      rows: facts,
      ttlMs: config.publicTtlMs,
      // Where nobody is asked, nobody can say otherwise.
      ...(config.offline && { keptMs: Number.POSITIVE_INFINITY }),
    }),
    manifests: (digest) => storedManifests.read(digest),
    mode: config.access,
  });
  const publicProofs = createPublicProofs({
    access,
    ask: ({ target, repository, digest, sizeBytes }, signal) =>
      parts.stranger.isPublic(target, repository, digest, sizeBytes, signal),
    everyMs: config.publicTtlMs,
  });
  const heads = createHeads();
  const manifestFetches = createManifestFetches(LIMITS.manifests);
  const credentials = createCredentialReader();
  const wrongBytes = createWrongBytes();
  const own = { access, credentials, store, facts, heads, manifestFetches, storedManifests, publicProofs, wrongBytes };
  return { ...parts, ...own };
}

/** The exchange with another target. It is not copied: some of its parts are made only when they are asked for. */
function exchangeFor(exchange: Exchange, target: Target): Exchange {
  if (target === exchange.target) return exchange;
  return Object.create(exchange, { target: { value: target } }) as Exchange;
}

function openPasswords(config: Config, logger: Logger): Promise<ProxyAuth | undefined> {
  if (config.proxyAuth === undefined) return Promise.resolve(undefined);
  return openProxyAuth({
    file: config.proxyAuth,
    onFault: (sentence) => logger.error({ error: sentence }, 'The users of --proxy-auth stay as they were'),
  });
}

/** Whether other machines reach the proxy and nobody has said which of them may. */
function isOpenByDefault(config: Config): boolean {
  const { host } = config.listen;
  const isLocal = host === 'localhost' || parseRanges(['127.0.0.0/8', '::1']).contains(host);
  return !isLocal && config.proxyAuth === undefined && config.allowClientsByDefault === true;
}

function hostMemory({ facts }: Cache) {
  return {
    get: (key: string) => facts.get<HostMemory>('host', key),
    set: (key: string, value: HostMemory) => facts.set('host', key, value),
  };
}
