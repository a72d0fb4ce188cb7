import type { Agent, buildConnector } from 'undici';
import type { RawHeaders, Target } from '../http/exchange.js';
import { setHeader } from '../http/headers.js';
import { formatAuthority } from '../net/authority.js';
import { type ConnectOptions, connectTimeouts, connectUpstream } from './connect.js';
import type { UpstreamClient, UpstreamRequest, UpstreamResponse } from './contract.js';
import { upstreamFailure } from './failure.js';
import { DEFAULT_TIMEOUTS, DISCARD_BYTES, DISCARD_MS, type UpstreamTimeouts } from './timeouts.js';
import type { ConnectionShares, UplinkLimits } from './uplink-limits.js';

/** More header lines than this are an attack or a mistake; Node would silently drop those beyond 2,000 (threats D17). */
const MAX_HEADER_LINES = 200;

/** undici takes 50 ms to load, and a proxy is of use to its clients before it asks anybody. */
const LOAD_AFTER_MS = 1_000;

const REPEATABLE = new Set(['GET', 'HEAD']);

function connector(options: ConnectOptions): buildConnector.connector {
  return ({ protocol, hostname, port }, callback) => {
    const scheme = protocol === 'https:' ? 'https' : 'http';
    const host = hostname.replace(/^\[|\]$/g, '');
    connectUpstream({ scheme, host, port: Number(port) || (scheme === 'https' ? 443 : 80) }, options).then(
      (socket) => callback(null, socket),
      (error: Error) => callback(error, null),
    );
  };
}

function originOf(target: Target): string {
  return `${target.scheme}://${formatAuthority(target.host, target.port)}`;
}

/** The Host header of a request to this target: the port stands there only where it is not the scheme's own. */
export function hostHeader(target: Target): string {
  return formatAuthority(target.host, target.port, target.scheme === 'https' ? 443 : 80);
}

/** What a client for upstreams is made of. */
export interface ClientOptions extends Omit<ConnectOptions, 'timeoutMs' | 'tlsMs'> {
  /** Absent for no limits. */
  readonly limits?: UplinkLimits | undefined;
}

/** How many connections go to an origin; null for any number, as undici has it. */
function connectionsTo(limits: UplinkLimits | undefined, origin: URL, share: keyof ConnectionShares): number | null {
  const { protocol, hostname, port } = origin;
  const host = hostname.replace(/^\[|\]$/g, '');
  return limits?.connectionsTo(host, Number(port) || (protocol === 'https:' ? 443 : 80))[share] ?? null;
}

interface Agents {
  readonly small: Agent;
  /** Uploads may take long, and nothing else is to wait for them. */
  readonly bulk: Agent;
}

async function createAgents(options: ClientOptions, timeouts: UpstreamTimeouts): Promise<Agents> {
  const { Agent, Pool } = await import('undici');
  const agentOptions = {
    connect: connector({ ...options, ...connectTimeouts(timeouts) }),
    headersTimeout: timeouts.headMs,
    bodyTimeout: timeouts.idleMs,
    pipelining: 1,
    keepAliveTimeout: 15_000,
    maxHeaderSize: 64 * 1024,
  };
  const agentFor = (share: keyof ConnectionShares): Agent =>
    new Agent({
      ...agentOptions,
      factory: (origin, given: object) =>
        new Pool(origin, { ...given, connections: connectionsTo(options.limits, new URL(origin), share) }),
    });
  return { small: agentFor('small'), bulk: agentFor('bulk') };
}

/**
 * The client for everything that is not a blob's body: HTTP/1.1 with kept connections, no redirects followed, no body
 * decoded, headers kept as they stand on the wire. A GET or HEAD that dies on a kept connection before its answer
 * begins is sent once more on a fresh one (threats H08). Requests with a body have connections of their own.
 */
export function createUpstreamClient(
  options: ClientOptions,
  timeouts: UpstreamTimeouts = DEFAULT_TIMEOUTS,
): UpstreamClient {
  let opening: Promise<Agents> | undefined;
  const loading = setTimeout(() => void agents().catch(() => {}), LOAD_AFTER_MS);
  loading.unref();

  function agents(): Promise<Agents> {
    clearTimeout(loading);
    opening ??= createAgents(options, timeouts);
    return opening;
  }

  async function once(request: UpstreamRequest): Promise<UpstreamResponse> {
    const { small, bulk } = await agents();
    const answer = await (request.body === undefined ? small : bulk).request({
      origin: originOf(request.target),
      path: request.path,
      method: request.method,
      headers: [...setHeader(request.headers, 'Host', request.host ?? hostHeader(request.target))],
      body: request.body ?? null,
      responseHeaders: 'raw',
      // undici closes the connection after every HEAD unless it is told not to; that made each look-up of a tag a TLS handshake.
      reset: false,
      ...(request.signal && { signal: request.signal }),
    });
    const headers = answer.headers as unknown as RawHeaders;
    const { body } = answer;
    // Whoever reads the body learns of its faults by reading; where nobody does, they would be thrown at the process.
    body.on('error', () => {});
    if (headers.length / 2 > MAX_HEADER_LINES) {
      body.destroy();
      throw Object.assign(new Error('too many headers'), { code: 'UND_ERR_HEADERS_OVERFLOW' });
    }
    return {
      status: answer.statusCode,
      headers,
      body,
      discard() {
        body.dump({ limit: DISCARD_BYTES, signal: AbortSignal.timeout(DISCARD_MS) }).catch(() => {});
      },
    };
  }

  return {
    async send(request) {
      try {
        return await once(request);
      } catch (error) {
        const fault = upstreamFailure(error, request.target.host);
        const repeatable = REPEATABLE.has(request.method) && request.body === undefined && !request.signal?.aborted;
        const again = fault.code === 'upstream-truncated' && repeatable;
        if (!again) throw fault;
        return await once(request).catch((second: unknown) => {
          throw upstreamFailure(second, request.target.host);
        });
      }
    },
    async close() {
      clearTimeout(loading);
      const opened = await opening;
      await Promise.all([opened?.small.destroy(), opened?.bulk.destroy()]);
    },
  };
}
