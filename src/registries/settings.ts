import { type HostPattern, matchesPattern, parseHostPattern } from '../net/host-pattern.js';
import type { Way } from '../net/parent-address.js';

/** How connections to a registry's hosts are made and secured: one entry of `registries` in the configuration file. */
export interface RegistrySettings {
  /** Host pattern, as in `--intercept`. */
  readonly pattern: string;
  /** Where the entry stands, as `file:line`. */
  readonly origin: string;
  /** Absolute path of a PEM file with roots that count for these hosts alone, besides the others. */
  readonly ca: string | undefined;
  /** Absolute path of a PEM file: our certificate for these hosts, with those above it. */
  readonly clientCert: string | undefined;
  /** Absolute path of the PEM file with its key. */
  readonly clientKey: string | undefined;
  /** Absolute path of a PEM file with lists of revoked certificates; none is asked for where it is undefined. */
  readonly crl?: string | undefined;
  /** Whether any certificate will do. */
  readonly insecure: boolean;
  /** The ways to these hosts, in place of `--upstream-proxy`. */
  readonly upstreamProxy?: readonly Way[];
  /** Whether these hosts speak no TLS, though clients do to this proxy. */
  readonly plainHttp?: boolean;
  /** In place of `--upstream-connections`. */
  readonly maxConnections?: number;
  /** For what is downloaded from these hosts, wherever it comes from in the end. */
  readonly maxBytesPerSecond?: number;
}

/**
 * Finds the one entry that counts for a host and port: the most specific pattern, a name before a wildcard, a longer
 * wildcard before a shorter one, and one with the port before one without. Entries are not merged.
 * @throws Error for a pattern that is none
 */
export function settingsFinder<Settings extends Pick<RegistrySettings, 'pattern'>>(
  entries: readonly Settings[],
): (host: string, port: number) => Settings | undefined {
  const ranked = entries
    .map((entry) => ({ entry, pattern: parseHostPattern(entry.pattern) }))
    .sort((a, b) => rank(b.pattern) - rank(a.pattern));
  return (host, port) => ranked.find(({ pattern }) => matchesPattern(pattern, host, port))?.entry;
}

/** A host name has at most 253 characters. */
function rank({ host, isWildcard, port }: HostPattern): number {
  return (isWildcard ? host.length : 1000) * 2 + (port === undefined ? 0 : 1);
}
