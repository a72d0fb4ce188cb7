import type { Readiness } from './admin/server.js';
import type { Cache } from './cache/open-cache.js';
import type { Config } from './config/config.js';
import { expiryOf } from './tls/expiry.js';
import type { WatchedAuthority } from './tls/watched-authority.js';

/**
 * Whether the proxy can do all of its work now. `insecure` are the patterns of hosts whose certificates are not checked,
 * `parentsLeftOut` the parent proxies that do not work.
 */
export function readinessOf(
  cache: Cache,
  authority: WatchedAuthority | undefined,
  insecure: readonly string[],
  parentsLeftOut: readonly string[] = [],
): Readiness {
  const faults: string[] = [];
  const warnings = insecure.map((host) => `certificates of ${host} are not checked (insecure)`);
  if (cache.store.fault !== undefined) faults.push(cache.store.fault);
  warnings.push(...parentsLeftOut.map((parent) => `the parent proxy ${parent} cannot be used`));
  if (authority) {
    const { hasExpired, warning } = expiryOf(authority.authorities, Date.now());
    if (warning !== undefined) (hasExpired ? faults : warnings).push(warning);
  }
  return { ready: faults.length === 0, faults, warnings };
}

/** The same with more that works and should not stay so. */
export function withWarnings(readiness: Readiness, more: readonly string[]): Readiness {
  return { ...readiness, warnings: [...(readiness.warnings ?? []), ...more] };
}

/** What is told at the start and for as long as it is so: nobody is asked who may read what. */
export function openness({ access }: Pick<Config, 'access'>): readonly string[] {
  if (access !== 'open') return [];
  return ['Access is open: whoever reaches this proxy can read everything in its store (--access open)'];
}
