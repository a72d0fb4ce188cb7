import { isIP, type Socket } from 'node:net';
import { type ConnectionOptions, type TLSSocket, connect as tlsConnect } from 'node:tls';
import { ProxyError } from '../errors.js';
import { upstreamFailure } from './failure.js';
import { checkIdentity } from './server-identity.js';
import type { HostTrust, Trust } from './trust.js';

/** How TLS with a host begins, whatever it runs over. */
export function tlsOptions(host: string, trusted: HostTrust): ConnectionOptions {
  return {
    ...(isIP(host) === 0 && { servername: host }),
    secureContext: trusted.context,
    ALPNProtocols: ['http/1.1'],
    checkServerIdentity: checkIdentity,
    // Said in so many words, because NODE_TLS_REJECT_UNAUTHORIZED=0 changes the default (threats C08).
    rejectUnauthorized: !trusted.insecure,
  };
}

/** The last look before anything is sent: not our own authority, though it or one above it may be trusted (threats C04). */
export function afterHandshake(socket: TLSSocket, host: string, trust: Trust): ProxyError | undefined {
  if (trust.ownAuthority.isInChain(socket.getPeerCertificate(true))) {
    return new ProxyError('upstream-tls', `${host}: its certificate is signed by this proxy's own CA`);
  }
  return undefined;
}

export interface TlsOverOptions {
  readonly host: string;
  readonly port: number;
  readonly trust: Trust;
  readonly timeoutMs: number;
}

/** Begins TLS with a host over a connection that leads to it. Rejects with `upstream-tls`, `upstream-timeout` or `upstream-truncated`; the connection is then gone. */
export function tlsOver(raw: Socket, { host, port, trust, timeoutMs }: TlsOverOptions): Promise<TLSSocket> {
  const socket = tlsConnect({ socket: raw, host, ...tlsOptions(host, trust.forHost(host, port)) });
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      failed(new ProxyError('upstream-timeout', `${host}: no TLS handshake within ${timeoutMs / 1000} s`));
    }, timeoutMs);
    const closed = (): void =>
      failed(new ProxyError('upstream-truncated', `${host}: it closed the connection in the TLS handshake`));
    function failed(error: Error): void {
      settle();
      socket.destroy();
      reject(upstreamFailure(error, host));
    }
    function settle(): void {
      clearTimeout(timer);
      socket.off('error', failed).off('close', closed);
      // Until whoever waits has the socket in hand, an error has only this to go to.
      socket.on('error', () => socket.destroy());
    }
    socket.once('error', failed).once('close', closed);
    socket.once('secureConnect', () => {
      const fault = afterHandshake(socket, host, trust);
      if (fault) return failed(fault);
      settle();
      resolve(socket);
    });
  });
}
