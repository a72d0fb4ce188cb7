import { ProxyError } from '../errors.js';
import type { RawHeaders, Target } from '../http/exchange.js';
import { headerValue } from '../http/headers.js';
import { parseAuthority } from '../net/authority.js';
import type { UpstreamClient, UpstreamRequest, UpstreamResponse } from './contract.js';

/** A registry that needs more hops than this to say where a blob is, is sending us in a circle. */
const MAX_HOPS = 5;

const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/**
 * What a request may carry to another origin than the one it was meant for: nothing that could be a credential, so a
 * list of what is allowed, not of what is forbidden (threats F01, W13).
 */
const CROSS_ORIGIN_HEADERS = new Set(['accept', 'accept-encoding', 'range', 'user-agent', 'via']);

/** Where a redirect points, or why it is not followed. */
function locationOf(response: UpstreamResponse, from: Target, path: string): { target: Target; path: string } {
  const location = headerValue(response.headers, 'location');
  const base = `${from.scheme}://${from.host.includes(':') ? `[${from.host}]` : from.host}:${from.port}${path}`;
  if (!location || !URL.canParse(location, base)) {
    throw new ProxyError('upstream-redirect', `${from.host} redirected without a usable Location`);
  }
  const url = new URL(location, base);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw new ProxyError('upstream-redirect', `${from.host} redirected to a ${url.protocol} address`);
  }
  if (url.protocol === 'http:' && from.scheme === 'https') {
    throw new ProxyError('upstream-redirect', `${from.host} redirected from https to http, which is not followed`);
  }
  const scheme = url.protocol === 'https:' ? 'https' : 'http';
  const { host, port } = placeOf(url, scheme, from);
  return { target: { scheme, host, port }, path: `${url.pathname}${url.search}` };
}

/** A host that we would not dial is the registry's mistake, not the client's. */
function placeOf(url: URL, scheme: Target['scheme'], from: Target): { host: string; port: number } {
  try {
    return parseAuthority(url.host, scheme === 'https' ? 443 : 80);
  } catch (cause) {
    throw new ProxyError('upstream-redirect', `${from.host} redirected to a host or port that does not exist`, {
      cause,
    });
  }
}

function sameOrigin(a: Target, b: Target): boolean {
  return a.scheme === b.scheme && a.host === b.host && a.port === b.port;
}

/** The headers that go along on a hop: all of them to the same origin, and a harmless few to any other. */
export function headersForHop(headers: RawHeaders, from: Target, to: Target): RawHeaders {
  if (sameOrigin(from, to)) return headers;
  const kept: string[] = [];
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] as string;
    if (CROSS_ORIGIN_HEADERS.has(name.toLowerCase())) kept.push(name, headers[i + 1] as string);
  }
  return kept;
}

/**
 * Sends a GET or HEAD and follows redirects, at most five, so that the client never sees a signed address. Credentials
 * stay with the scheme, host and port that they were meant for. Rejects with `upstream-redirect` where a redirect leads
 * nowhere, from https to http, or in a circle.
 */
export async function sendFollowing(client: UpstreamClient, request: UpstreamRequest): Promise<UpstreamResponse> {
  let current = request;
  for (let hop = 0; hop <= MAX_HOPS; hop += 1) {
    const response = await client.send(current);
    if (!REDIRECTS.has(response.status)) return response;
    response.discard();
    const next = locationOf(response, current.target, current.path);
    current = {
      ...current,
      ...next,
      onBehalfOf: request.target,
      headers: headersForHop(current.headers, current.target, next.target),
    };
  }
  throw new ProxyError('upstream-redirect', `${request.target.host} redirected more than ${MAX_HOPS} times`);
}
