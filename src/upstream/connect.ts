import { isIP, connect as netConnect, type OnReadOpts, type Socket } from 'node:net';
import { type TLSSocket, connect as tlsConnect } from 'node:tls';
import { ProxyError } from '../errors.js';
import type { Target } from '../http/exchange.js';
import type { EgressGuard } from '../net/egress-guard.js';
import type { HostPatterns } from '../net/host-pattern.js';
import { upstreamFailure } from './failure.js';
import { checkIdentity } from './server-identity.js';
import type { UpstreamTimeouts } from './timeouts.js';
import type { Trust } from './trust.js';

export interface ConnectOptions {
  readonly guard: EgressGuard;
  readonly trust: Trust;
  /** `--deny`: hosts that no redirect and no token realm leads to either. */
  readonly deny?: Pick<HostPatterns, 'matches'>;
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
 * A05). Rejects with `egress-refused`, `upstream-dns`, `upstream-connect`, `upstream-tls` or `upstream-timeout`.
 */
export function connectUpstream(target: Target, options: ConnectOptions, onread?: OnReadOpts): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const { host, port } = target;
    if (options.deny?.matches(host, port)) throw new ProxyError('egress-refused', `${host} is closed by --deny`);
    const address = isIP(host) !== 0;
    if (address) options.guard.check(host, port);
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
    const socket = trusted
      ? tlsConnect({
          ...tcp,
          ...(!address && { servername: host }),
          secureContext: trusted.context,
          ALPNProtocols: ['http/1.1'],
          checkServerIdentity: checkIdentity,
          // Said in so many words, because NODE_TLS_REJECT_UNAUTHORIZED=0 changes the default (threats C08).
          rejectUnauthorized: !trusted.insecure,
        })
      : netConnect(tcp);
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

/** The last look before anything is sent: not our own authority, though it or one above it may be trusted (threats C04). */
function afterHandshake(socket: TLSSocket, host: string, trust: Trust): ProxyError | undefined {
  if (trust.ownAuthority.isInChain(socket.getPeerCertificate(true))) {
    return new ProxyError('upstream-tls', `${host}: its certificate is signed by this proxy's own CA`);
  }
  return undefined;
}
