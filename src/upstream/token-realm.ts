import type { Target } from '../http/exchange.js';
import { parseAuthority } from '../net/authority.js';

/** Where a token server is asked, and for what. */
export interface RealmAddress {
  readonly target: Target;
  /** Path and query. */
  readonly path: string;
}

/**
 * The address that a challenge's realm names; undefined where it is none that may be asked: https only, except where
 * the registry itself is spoken to without.
 * @param scope what the token is to be good for; none where it is left out
 */
export function realmAddress(
  realm: string,
  service: string | undefined,
  scheme: Target['scheme'],
  scope?: string,
): RealmAddress | undefined {
  if (!URL.canParse(realm)) return undefined;
  const url = new URL(realm);
  const sameWeakness = url.protocol === 'http:' && scheme === 'http';
  if (url.protocol !== 'https:' && !sameWeakness) return undefined;
  if (service) url.searchParams.set('service', service);
  if (scope !== undefined) url.searchParams.set('scope', scope);
  const own = url.protocol === 'https:' ? 'https' : 'http';
  try {
    const { host, port } = parseAuthority(`${url.hostname}:${url.port || (own === 'https' ? 443 : 80)}`);
    return { target: { scheme: own, host, port }, path: `${url.pathname}${url.search}` };
  } catch {
    return undefined;
  }
}

/**
 * A realm without what may be secret in it, which is kept on disk: user, password, query and fragment. Undefined for one
 * that is no URL.
 */
export function bareRealm(realm: string): string | undefined {
  if (!URL.canParse(realm)) return undefined;
  const url = new URL(realm);
  url.username = '';
  url.password = '';
  url.search = '';
  url.hash = '';
  return url.href;
}
