import { parseAuthority } from './authority.js';

/** One entry of `--intercept`, `--tunnel` or `--deny`. */
export interface HostPattern {
  /** Canonical host; for a wildcard the part below which every name matches, with its leading dot. */
  readonly host: string;
  readonly isWildcard: boolean;
  /** The only port that matches; undefined for any. */
  readonly port: number | undefined;
}

/** Several patterns, asked as one. */
export interface HostPatterns {
  matches(host: string, port: number): boolean;
  /** True where a matching pattern names this very port. */
  namesPort(host: string, port: number): boolean;
  /** The ports that patterns name, ascending. */
  ports(): readonly number[];
}

/**
 * Reads `example.com`, `*.corp.example` (any depth below, not the name itself), `host:port`, `1.2.3.4` or `[::1]:5000`.
 * @throws Error with one sentence for the user
 */
export function parseHostPattern(text: string): HostPattern {
  const isWildcard = text.startsWith('*.');
  const authority = isWildcard ? text.slice(2) : text;
  try {
    // Port 0 stands for "none named": a pattern that names it is refused by the grammar.
    const { host, port, isAddress } = parseAuthority(authority, 0);
    if (isWildcard && isAddress) throw new Error('a wildcard stands before a name, not before an address.');
    return { host: isWildcard ? `.${host}` : host, isWildcard, port: port === 0 ? undefined : port };
  } catch (error) {
    const hint = 'write a host (example.com), a wildcard (*.example.com), or either with a port (example.com:5000).';
    throw new Error(`${JSON.stringify(text)} is not a host pattern; ${hint}`, { cause: error });
  }
}

/** Reads a list of patterns. @throws Error for the first one that is wrong */
export function parseHostPatterns(list: readonly string[]): HostPatterns {
  const patterns = list.map(parseHostPattern);
  const matching = (host: string, port: number) => patterns.filter((pattern) => matchesPattern(pattern, host, port));
  return {
    matches: (host, port) => patterns.some((pattern) => matchesPattern(pattern, host, port)),
    namesPort: (host, port) => matching(host, port).some((pattern) => pattern.port === port),
    ports: () => {
      const named = patterns.flatMap((pattern) => (pattern.port === undefined ? [] : [pattern.port]));
      return [...new Set(named)].sort((a, b) => a - b);
    },
  };
}

/** Whether a canonical host and port are what the pattern means. */
export function matchesPattern(pattern: HostPattern, host: string, port: number): boolean {
  if (pattern.port !== undefined && pattern.port !== port) return false;
  return pattern.isWildcard ? host.endsWith(pattern.host) : host === pattern.host;
}
