import { isIP, connect as netConnect, type OnReadOpts, type Socket } from 'node:net';
import { type TLSSocket, connect as tlsConnect } from 'node:tls';
import { ProxyError } from '../errors.js';
import type { Target } from '../http/exchange.js';
import type { EgressGuard } from '../net/egress-guard.js';
import type { HostPatterns } from '../net/host-pattern.js';
import { readInto } from './copied-reads.js';
import { upstreamFailure } from './failure.js';
import type { Parents } from './parents.js';
import type { UpstreamTimeouts } from './timeouts.js';
import { afterHandshake, tlsOptions, tlsOver } from './tls-over.js';
import type { Trust } from './trust.js';

export interface ConnectOptions {
  readonly guard: EgressGuard;
  readonly trust: Trust;
  /** `--deny`: hosts that no redirect and no token realm leads to either. */
  readonly deny?: Pick<HostPatterns, 'matches'>;
  /** The proxies above this one; absent where there are none. */
  readonly parents?: Parents | undefined;
  /** Resolving the name and TCP together. */
  readonly timeoutMs: number;
  /** The TLS handshake; as long as `timeoutMs` where it is not said. */
  readonly tlsMs?: number;
}

// Node's 250 ms give up on every address of a host that is farther away than that.
const FAMILY_ATTEMPT_MS = 500;

/** Those of the time limits that connecting has. */
export function connectTimeouts({ connectMs, tlsMs }: UpstreamTimeouts): Pick<ConnectOptions, 'timeoutMs' | 'tlsMs'> {
  return { timeoutMs: connectMs, tlsMs: tlsMs ?? connectMs };
}

/**
 * Opens a connection to an upstream, with TLS where the target asks for it, and resolves when it is ready for HTTP/1.1.
 * The address that is dialled is the one that the egress guard saw, so a name cannot be rebound in between (threats
 * A05). Rejects with `egress-refused`, `upstream-dns`, `upstream-parent`, `upstream-connect`, `upstream-tls` or `upstream-timeout`.
 */
export async function connectUpstream(target: Target, options: ConnectOptions, onread?: OnReadOpts): Promise<Socket> {
  const { host, port } = target;
  if (options.deny?.matches(host, port)) throw new ProxyError('egress-refused', `${host} is closed by --deny`);
  // What a parent resolves cannot be looked at here; an address can.
  if (isIP(host) !== 0) options.guard.check(host, port);
  const raw = options.parents?.leadTo(target) ? await options.parents.open(target) : undefined;
  return raw === undefined ? connectStraight(target, options, onread) : connectOver(raw, target, options, onread);
}

async function connectOver(
  raw: Socket,
  { scheme, host, port }: Target,
  { trust, tlsMs, timeoutMs }: ConnectOptions,
  onread: OnReadOpts | undefined,
): Promise<Socket> {
  const socket = scheme === 'http' ? raw : await tlsOver(raw, { host, port, trust, timeoutMs: tlsMs ?? timeoutMs });
  if (onread) readInto(socket, onread);
  return socket;
}

function connectStraight(target: Target, options: ConnectOptions, onread: OnReadOpts | undefined): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const { host, port } = target;
    const tcp = {
      host,
      port,
      lookup: options.guard.lookupFor(port),
      autoSelectFamily: true,
      autoSelectFamilyAttemptTimeout: FAMILY_ATTEMPT_MS,
      noDelay: true,
      keepAlive: true,
      ...(onread && { onread }),
    };
    const trusted = target.scheme === 'https' ? options.trust.forHost(host, port) : undefined;
    const socket = trusted ? tlsConnect({ ...tcp, ...tlsOptions(host, trusted) }) : netConnect(tcp);
    let timer = giveUpAfter(options.timeoutMs, (time) => `no connection within ${time}`);
    if (trusted) {
      socket.once('connect', () => {
        clearTimeout(timer);
        timer = giveUpAfter(options.tlsMs ?? options.timeoutMs, (time) => `no TLS handshake within ${time}`);
      });
    }
    function giveUpAfter(ms: number, say: (time: string) => string): NodeJS.Timeout {
      return setTimeout(() => {
        socket.destroy(new ProxyError('upstream-timeout', `${host}: ${say(`${ms / 1000} s`)}`));
      }, ms);
    }
    function failed(error: Error): void {
      clearTimeout(timer);
      socket.destroy();
      reject(upstreamFailure(error, host));
    }
    socket.once('error', failed);
    socket.once(trusted ? 'secureConnect' : 'connect', () => {
      const fault = trusted && afterHandshake(socket as TLSSocket, host, options.trust);
      if (fault) {
        failed(fault);
        return;
      }
      clearTimeout(timer);
      socket.removeListener('error', failed);
      // Until whoever waits has the socket in hand, an error has only this to go to; it shows in "close" and "destroyed".
      // An alert in the middle of a connection is an error that would leave it open.
      socket.on('error', () => socket.destroy());
      resolve(socket);
    });
  });
}
