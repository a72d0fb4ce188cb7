import { formatAuthority, parseAuthority } from './authority.js';

/** A proxy above this one. */
export interface ParentAddress {
  /** How it is spoken to; what goes through it is another matter. */
  readonly scheme: 'http' | 'https';
  /** Canonical, as Authority has it. */
  readonly host: string;
  readonly port: number;
}

/** One way to upstreams: through a parent, or straight. */
export type Way = ParentAddress | 'direct';

/**
 * Reads `http://cache.example:3128`, `https://cache.example`, `cache.example:3128` (http) or `direct`. The message of a
 * complaint never repeats a password.
 * @throws Error with one sentence for the user
 */
export function parseWay(text: string): Way {
  if (text === 'direct') return 'direct';
  const [, scheme = 'http', rest = ''] = /^(?:(https?):\/\/)?(.*)$/is.exec(text) ?? [];
  if (rest.includes('@')) {
    throw new Error('a parent proxy is named without user and password; --upstream-proxy-auth names a file for them.');
  }
  try {
    const isHttps = scheme.toLowerCase() === 'https';
    const { host, port } = parseAuthority(rest.replace(/\/$/, ''), isHttps ? 443 : 80);
    return { scheme: isHttps ? 'https' : 'http', host, port };
  } catch (cause) {
    throw new Error(
      `${JSON.stringify(text)} is no parent proxy; write http://cache.example:3128, https://cache.example:443 or direct.`,
      { cause },
    );
  }
}

/** What is wrong with the order of ways; undefined where nothing is. */
export function orderProblem(ways: readonly Way[]): string | undefined {
  const direct = ways.indexOf('direct');
  return direct === -1 || direct === ways.length - 1
    ? undefined
    : 'direct stands at the end, because it leads everywhere.';
}

/** `https://cache.example:3129`, for people and logs. */
export function formatParent({ scheme, host, port }: ParentAddress): string {
  return `${scheme}://${formatAuthority(host, port)}`;
}
