import type { Authority } from '../net/authority.js';
import { type HostPatterns, parseHostPatterns } from '../net/host-pattern.js';
import { isWellKnownRegistry } from './well-known-registries.js';

/** Which hosts are opened, tunnelled or refused. */
export interface HostPolicy {
  /** `--intercept auto`: registries are found by asking. */
  readonly auto: boolean;
  /** `--intercept all`. */
  readonly all: boolean;
  readonly intercept: HostPatterns;
  readonly tunnel: HostPatterns;
  readonly deny: HostPatterns;
  readonly connectPorts: ReadonlySet<number>;
  /** Whether clients would accept a certificate of ours for this host (name constraints of the CA); absent where for any. */
  readonly permits?: (host: string) => boolean;
}

export interface HostPolicyOptions {
  /** `auto`, `all`, `none` and host patterns, in any mixture that makes sense. */
  readonly intercept: readonly string[];
  readonly tunnel: readonly string[];
  readonly deny: readonly string[];
  readonly connectPorts: readonly number[];
}

/** What is known of a host from asking it; undefined where nobody has asked yet. */
export type KnownVerdict = 'registry' | 'other' | 'unknown' | undefined;

export type Verdict =
  | { readonly kind: 'intercept'; readonly reason: 'all' | 'named' | 'well-known' | 'asked' }
  | {
      readonly kind: 'tunnel';
      readonly reason: 'named' | 'not-permitted' | 'not-listed' | 'not-a-registry' | 'unknown';
    }
  /** The host is to be asked; with the answer, decide again. */
  | { readonly kind: 'ask' }
  | { readonly kind: 'refuse'; readonly reason: 'denied' | 'port'; readonly message: string };

type HostAndPort = Pick<Authority, 'host' | 'port'>;
type Refused = Extract<Verdict, { kind: 'refuse' }>;

const WORDS: ReadonlySet<string> = new Set(['auto', 'all', 'none']);

/** Reads a policy. @throws Error with one sentence for the first pattern that is wrong */
export function createHostPolicy(options: HostPolicyOptions): HostPolicy {
  return {
    auto: options.intercept.includes('auto'),
    all: options.intercept.includes('all'),
    intercept: parseHostPatterns(options.intercept.filter((entry) => !WORDS.has(entry))),
    tunnel: parseHostPatterns(options.tunnel),
    deny: parseHostPatterns(options.deny),
    connectPorts: new Set(options.connectPorts),
  };
}

/** Decides over a CONNECT: refusals first, then `--tunnel`, then what `--intercept` says. */
export function decideConnect(authority: HostAndPort, policy: HostPolicy, known: KnownVerdict): Verdict {
  const { host, port } = authority;
  const refusal = refuse(authority, policy, policy.connectPorts);
  if (refusal !== undefined) return refusal;
  if (policy.tunnel.matches(host, port)) return { kind: 'tunnel', reason: 'named' };
  if (policy.permits?.(host) === false) return { kind: 'tunnel', reason: 'not-permitted' };
  if (policy.intercept.matches(host, port)) return { kind: 'intercept', reason: 'named' };
  if (policy.all) return { kind: 'intercept', reason: 'all' };
  if (!policy.auto) return { kind: 'tunnel', reason: 'not-listed' };
  if (isWellKnownRegistry(host, port)) return { kind: 'intercept', reason: 'well-known' };
  if (known === undefined) return { kind: 'ask' };
  if (known === 'registry') return { kind: 'intercept', reason: 'asked' };
  return { kind: 'tunnel', reason: known === 'other' ? 'not-a-registry' : 'unknown' };
}

/** Decides over a request in absolute form: undefined where it may go on. Port 80 needs no permission. */
export function refusePlain(authority: HostAndPort, policy: HostPolicy): Refused | undefined {
  return refuse(authority, policy, new Set([80, ...policy.connectPorts]));
}

function refuse(authority: HostAndPort, policy: HostPolicy, ports: ReadonlySet<number>): Refused | undefined {
  const { host, port } = authority;
  if (policy.deny.matches(host, port)) {
    return { kind: 'refuse', reason: 'denied', message: `${host} is closed by --deny.` };
  }
  if (ports.has(port) || policy.intercept.namesPort(host, port)) return undefined;
  const message = `Port ${port} of ${host} is not open; start the proxy with --connect-ports ${[...ports, port].join(',')} to open it.`;
  return { kind: 'refuse', reason: 'port', message };
}
