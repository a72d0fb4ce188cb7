import type { Socket } from 'node:net';
import tls from 'node:tls';

/**
 * Why a client's TLS handshake failed. `untrusted-ca` is the one that people ask about: the client does not trust the
 * CA of this proxy. `wrong-name` means that it asked for another host than its CONNECT did.
 */
export type ClientTlsFault = 'untrusted-ca' | 'wrong-name' | 'not-tls' | 'timeout' | 'closed' | 'other';

export interface HandoverOptions {
  /** The host of the CONNECT. */
  readonly host: string;
  readonly secureContext: tls.SecureContext;
  readonly timeoutMs: number;
}

export type Handover =
  | { readonly socket: tls.TLSSocket; readonly fault?: undefined }
  | { readonly socket?: undefined; readonly fault: ClientTlsFault };

const UNTRUSTED_CA = /ALERT_(?:UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_UNKNOWN)$/;
const NOT_TLS =
  /^ERR_SSL_(?:HTTP_REQUEST|HTTPS_PROXY_REQUEST|WRONG_VERSION_NUMBER|UNKNOWN_PROTOCOL|PACKET_LENGTH_TOO_LONG|BAD_RECORD_TYPE|UNEXPECTED_MESSAGE|RECORD_LAYER_FAILURE)$/;

/**
 * Ends TLS on a client's socket, in this process and without another hop. The certificate is that of the CONNECT's
 * host whether the client sends a server name or not; another server name is refused. Never rejects; on a fault the
 * socket is destroyed.
 */
export function takeOverTls(socket: Socket, options: HandoverOptions): Promise<Handover> {
  let wrongName = false;
  const secured = new tls.TLSSocket(socket, {
    isServer: true,
    secureContext: options.secureContext,
    ALPNProtocols: ['http/1.1'],
    SNICallback: (name, callback) => {
      wrongName = !isSameHost(name, options.host);
      callback(wrongName ? new Error('the server name is not that of the CONNECT') : null);
    },
  });
  secured.disableRenegotiation();
  return new Promise((resolve) => {
    const timer = setTimeout(() => fail('timeout'), options.timeoutMs);
    const onError = (error: NodeJS.ErrnoException) => fail(wrongName ? 'wrong-name' : faultOf(error.code ?? ''));
    const onClose = () => fail(wrongName ? 'wrong-name' : 'closed');
    const onSecure = () => {
      settle();
      resolve({ socket: secured });
    };
    function settle(): void {
      clearTimeout(timer);
      secured.off('_tlsError', onError).off('end', onClose).off('close', onClose).off('secure', onSecure);
    }
    function fail(fault: ClientTlsFault): void {
      settle();
      secured.destroy();
      socket.destroy();
      resolve({ fault });
    }
    // The error listener stays: an error may follow the one that decided. A client that leaves is told by `end` alone,
    // since sockets of an HTTP server stay half open.
    secured
      .on('error', onError)
      .on('_tlsError', onError)
      .on('end', onClose)
      .on('close', onClose)
      .on('secure', onSecure);
  });
}

function isSameHost(serverName: string, host: string): boolean {
  const name = serverName.toLowerCase();
  return name === host || name === `${host}.`;
}

function faultOf(code: string): ClientTlsFault {
  if (UNTRUSTED_CA.test(code)) return 'untrusted-ca';
  if (NOT_TLS.test(code)) return 'not-tls';
  return code === 'ECONNRESET' || code === 'EPIPE' ? 'closed' : 'other';
}
