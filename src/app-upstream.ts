import { isIP } from 'node:net';
import type { Config } from './config/config.js';
import { ProxyError } from './errors.js';
import type { Target } from './http/exchange.js';
import { viaMember } from './http/via.js';
import { parseRanges } from './net/address-ranges.js';
import { dial } from './net/dial.js';
import { createEgressGuard, type EgressGuard, type Listener } from './net/egress-guard.js';
import { parseHostPatterns } from './net/host-pattern.js';
import { parseNoProxy } from './net/no-proxy.js';
import type { DialTunnel } from './proxy/contract.js';
import type { HostPolicy } from './proxy/verdict.js';
import { settingsFinder } from './registries/settings.js';
import type { Logger } from './telemetry/log.js';
import { createBlobClient } from './upstream/blob-client.js';
import { createUpstreamClient } from './upstream/client.js';
import { connectTimeouts, connectUpstream } from './upstream/connect.js';
import type { UpstreamClient } from './upstream/contract.js';
import { createParents, PARENT_DIAL_MS, type Parents } from './upstream/parents.js';
import { withPlainRequests } from './upstream/plain-requests.js';
import { withRedirectPorts } from './upstream/redirect-ports.js';
import { withRetries } from './upstream/retries.js';
import type { Trust } from './upstream/trust.js';
import { createUplinkLimits } from './upstream/uplink-limits.js';

/** All ways out of this proxy. */
export interface Upstreams {
  /** For everything that is no blob's body. */
  readonly requests: UpstreamClient;
  readonly blobs: UpstreamClient;
  /** For finding out whether somebody is there: each asks for a connection of its own. */
  readonly questions: UpstreamClient;
  /** A connection ready for HTTP/1.1. */
  readonly connect: (target: Target) => ReturnType<typeof connectUpstream>;
  /** A connection for bytes that are not looked into. */
  readonly dialTunnel: DialTunnel;
  /** Parent proxies that are left out at the moment. */
  readonly parentsLeftOut: () => readonly string[];
  close(): Promise<void>;
}

export interface UpstreamParts {
  readonly config: Config;
  readonly guard: EgressGuard;
  readonly trust: Trust;
  /** What may be reached by whom counts for redirects, too. */
  readonly policy: Pick<HostPolicy, 'deny' | 'intercept' | 'connectPorts'>;
  readonly viaId: string;
  readonly ownListeners: () => readonly Listener[];
  readonly logger: Logger;
  /** Told of each request that is sent a second time. */
  readonly onRetry?: (host: string) => void;
}

/** Builds the clients for upstreams, through parent proxies where some are set. */
export function createUpstreams(parts: UpstreamParts): Upstreams {
  const { config, guard, trust, policy, viaId, ownListeners, logger, onRetry } = parts;
  const { deny } = policy;
  const timeouts = config.upstreamTimeouts;
  // Whoever runs the proxy has named its parents; only itself it cannot be.
  const parentGuard = createEgressGuard({ allow: EVERYWHERE, deny: NOWHERE, ownListeners });
  const parents = parentsOf(config, { guard: parentGuard, trust, viaId, logger });
  const limits = createUplinkLimits({
    connections: config.upstreamConnections,
    bytesPerSecond: config.upstreamBytesPerSecond,
    registries: config.registries ?? [],
  });
  const straight = { guard, trust, deny, parents, limits };
  const toParents = { guard: parentGuard, trust, limits };
  const parentTimeouts = { ...timeouts, connectMs: PARENT_DIAL_MS };

  function check({ host, port }: Target): void {
    if (deny.matches(host, port)) throw new ProxyError('egress-refused', `${host} is closed by --deny`);
    if (isIP(host) !== 0) guard.check(host, port);
  }

  const named = parseHostPatterns((config.registries ?? []).map((one) => one.pattern));
  const isOpen = (host: string, port: number): boolean =>
    policy.connectPorts.has(port) || policy.intercept.namesPort(host, port) || named.namesPort(host, port);

  function finished(client: UpstreamClient, create: typeof createUpstreamClient): UpstreamClient {
    const over = parents && withPlainRequests({ client, toParents: create(toParents, parentTimeouts), parents, check });
    return withRedirectPorts(withRetries(over ?? client, onRetry && { onRetry }), isOpen);
  }

  const requests = finished(createUpstreamClient(straight, timeouts), createUpstreamClient);
  const blobs = finished(createBlobClient(straight, timeouts), createBlobClient);
  // One at a time for each host, and no use if they had to wait for others.
  const questions = finished(createUpstreamClient({ ...straight, limits: undefined }, timeouts), createUpstreamClient);

  return {
    requests,
    blobs,
    questions,
    connect: (target) => connectUpstream(target, { ...straight, ...connectTimeouts(timeouts) }),
    async dialTunnel({ host, port, signal, passedVia }) {
      const asked = { signal, passedVia, allowHalfOpen: true };
      const through = await parents?.open({ scheme: 'https', host, port }, asked);
      return through ?? dial({ host, port, guard, timeoutMs: timeouts.connectMs, signal, allowHalfOpen: true });
    },
    parentsLeftOut: () => parents?.leftOut ?? [],
    async close() {
      await Promise.all([requests.close(), blobs.close(), questions.close()]);
    },
  };
}

const EVERYWHERE = parseRanges(['0.0.0.0/0', '::/0']);
const NOWHERE = parseRanges([]);

interface ParentParts extends Pick<UpstreamParts, 'guard' | 'trust' | 'viaId' | 'logger'> {}

/** The parent proxies; undefined where none is set, so that nothing is asked about them. */
function parentsOf(config: Config, { guard, trust, viaId, logger }: ParentParts): Parents | undefined {
  const { https = [], http = [], noProxy = [], credentials = new Map() } = config.parentProxies ?? {};
  const own = (config.registries ?? []).flatMap(({ pattern, upstreamProxy }) =>
    upstreamProxy ? [{ pattern, upstreamProxy }] : [],
  );
  if (https.length === 0 && http.length === 0 && own.length === 0) return undefined;
  const find = settingsFinder(own);
  const { connectMs, tlsMs } = config.upstreamTimeouts;
  return createParents({
    ways: { https, http },
    noProxy: parseNoProxy(noProxy),
    waysOf: (host, port) => find(host, port)?.upstreamProxy,
    credentials,
    guard,
    trust,
    via: viaMember(viaId),
    timeouts: { dialMs: PARENT_DIAL_MS, tlsMs, answerMs: connectMs + 2 * PARENT_DIAL_MS },
    onChange: (parent, usable) => {
      if (usable) logger.info({ host: parent }, 'The parent proxy works again');
      else logger.warn({ host: parent }, 'The parent proxy cannot be used; it is left out until it answers again');
    },
  });
}
