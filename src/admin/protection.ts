import type { IncomingMessage } from 'node:http';
import { ProxyError } from '../errors.js';
import { headerValues } from '../http/headers.js';
import { parseAuthority } from '../net/authority.js';
import type { HostPatterns } from '../net/host-pattern.js';
import { createTokenBuckets } from '../net/token-buckets.js';
import { isToken } from './token.js';

export interface ProtectionOptions {
  readonly token: string;
  /** Names under which the API may be addressed, besides IP addresses and `localhost`. */
  readonly hosts: HostPatterns;
  /** Milliseconds of any steady clock. */
  readonly now?: () => number;
}

/** Why a request is not answered. */
export interface AdminRefusal {
  readonly status: 401 | 403 | 421 | 429;
  readonly error: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Failures that one address may have at once, and how many more each second. */
const FAILURES = { burst: 10, perSecond: 0.2 };

/**
 * Keeps the API from whoever has no token, and from web pages whatever they have: a page that has rebound its name to
 * this address is told by its Host, any other by Origin or Sec-Fetch-Site. There are no cookies. The right token always
 * passes, since nobody guesses it, and a stale script must not lock its neighbours out. Gives a function that judges a
 * request of a client's address; undefined is a yes.
 */
export function createProtection({
  token,
  hosts,
  now,
}: ProtectionOptions): (request: IncomingMessage, client: string) => AdminRefusal | undefined {
  const failures = createTokenBuckets(FAILURES, now);
  return (request, client) => {
    if (!isOwnName(request, hosts)) return refusal(421, 'this Host is none of this API; see --admin-hosts');
    if (isForeignPage(request)) return refusal(403, 'web pages of other origins may not use this API');
    if (isToken(presentedToken(request), token)) return undefined;
    if (!failures.take(client))
      return refusal(429, 'too many requests without the right token', { 'retry-after': '5' });
    const challenge = { 'www-authenticate': 'Bearer realm="entrepot"' };
    return refusal(401, 'this needs Authorization: Bearer and the admin token', challenge);
  };
}

function refusal(status: AdminRefusal['status'], error: string, headers: AdminRefusal['headers'] = {}): AdminRefusal {
  return { status, error, headers };
}

function isOwnName({ rawHeaders }: IncomingMessage, hosts: HostPatterns): boolean {
  const [host = '', ...more] = headerValues(rawHeaders, 'Host');
  if (more.length > 0) return false;
  try {
    const authority = parseAuthority(host, 80);
    return authority.isAddress || authority.host === 'localhost' || hosts.matches(authority.host, authority.port);
  } catch (error) {
    if (error instanceof ProxyError) return false;
    throw error;
  }
}

/** Whether a browser says that the request comes from a page of another origin (Fetch Metadata, RFC 6454). */
function isForeignPage({ headers }: IncomingMessage): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return true;
  const { origin, host } = headers;
  return origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`;
}

function presentedToken({ rawHeaders }: IncomingMessage): string {
  const lines = headerValues(rawHeaders, 'Authorization');
  const [, token = ''] = (lines.length === 1 && /^bearer +(\S+)$/i.exec(lines[0] ?? '')) || [];
  return token;
}
