import net from 'node:net';
import { ProxyError } from '../errors.js';
import { formatAuthority } from './authority.js';
import type { EgressGuard } from './egress-guard.js';

export interface DialOptions {
  /** Canonical host, as Authority has it. */
  readonly host: string;
  readonly port: number;
  readonly guard: EgressGuard;
  /** For name resolution and connecting together. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** Keep the sending side open when the other side has ended. */
  readonly allowHalfOpen?: boolean;
}

// Node's 250 ms give up on every address of a host that is farther away than that.
const FAMILY_ATTEMPT_MS = 500;
const KEEP_ALIVE_DELAY_MS = 30_000;

const CAUSES: ReadonlyMap<string, string> = new Map([
  ['ENOTFOUND', 'the name does not exist'],
  ['EAI_AGAIN', 'the name server does not answer'],
  ['ENODATA', 'the name has no address'],
  ['ECONNREFUSED', 'the connection was refused'],
  ['ECONNRESET', 'the connection was reset'],
  ['EHOSTUNREACH', 'there is no route to the host'],
  ['ENETUNREACH', 'the network is unreachable'],
  ['EADDRNOTAVAIL', 'no local address can reach it'],
  ['ETIMEDOUT', 'it did not answer in time'],
]);

const DNS_CODES: ReadonlySet<string> = new Set(['ENOTFOUND', 'EAI_AGAIN', 'ENODATA', 'EAI_FAIL', 'EAI_NONAME']);

/**
 * Opens a TCP connection to an upstream, IPv4 and IPv6 in turns (RFC 8305).
 * @throws ProxyError `egress-refused`, `upstream-dns`, `upstream-connect`, `upstream-timeout`, or `client-gone` when the signal aborts
 */
export async function dial(options: DialOptions): Promise<net.Socket> {
  const { host, port, guard, signal } = options;
  if (net.isIP(host) !== 0) guard.check(host, port);
  if (signal?.aborted) throw new ProxyError('client-gone', 'The client has gone.');
  const socket = net.connect({
    host,
    port,
    lookup: guard.lookupFor(port),
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: FAMILY_ATTEMPT_MS,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS,
    allowHalfOpen: options.allowHalfOpen ?? false,
  });
  return new Promise((resolve, reject) => {
    const where = formatAuthority(host, port);
    const timer = setTimeout(() => {
      const message = `${where} cannot be reached: it did not answer within ${options.timeoutMs} ms.`;
      socket.destroy(new ProxyError('upstream-timeout', message));
    }, options.timeoutMs);
    const onAbort = () => socket.destroy(new ProxyError('client-gone', 'The client has gone.'));
    const onError = (error: Error) => {
      settle();
      reject(dialFault(where, error));
    };
    const onConnect = () => {
      settle();
      resolve(socket);
    };
    function settle(): void {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      socket.off('error', onError).off('connect', onConnect);
    }
    signal?.addEventListener('abort', onAbort, { once: true });
    socket.once('error', onError).once('connect', onConnect);
  });
}

/** Says in words why `where` could not be reached. */
function dialFault(where: string, error: Error): ProxyError {
  if (error instanceof ProxyError) return error;
  // With several addresses Node collects one error for each.
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  if (first instanceof ProxyError) return first;
  const code = (first as NodeJS.ErrnoException).code ?? '';
  const cause = CAUSES.get(code) ?? (code || error.message);
  const kind = DNS_CODES.has(code) ? 'upstream-dns' : code === 'ETIMEDOUT' ? 'upstream-timeout' : 'upstream-connect';
  return new ProxyError(kind, `${where} cannot be reached: ${cause}.`, { cause: error });
}
