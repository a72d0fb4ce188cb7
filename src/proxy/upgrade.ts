import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Target } from '../http/exchange.js';
import { hasToken, withoutHeaders } from '../http/headers.js';

/** True for an upgrade to cleartext HTTP/2, which would carry requests past every check (RFC 9113 section 3.1: obsolete). */
export function isCleartextHttp2(request: IncomingMessage): boolean {
  return hasToken(request.rawHeaders, 'upgrade', 'h2c');
}

// Meant for the proxy, not for the server behind it.
const FOR_PROXY: ReadonlySet<string> = new Set(['proxy-authorization', 'proxy-connection']);
const FOR_HTTP2: ReadonlySet<string> = new Set(['connection', 'upgrade', 'http2-settings']);

/** The head of an upgrade request as it goes upstream: lines, order and case as the client sent them. */
export function upgradeHead(request: IncomingMessage, path: string): Buffer {
  return serialiseHead(request, path, FOR_PROXY);
}

/** The head of a request without its wish to speak HTTP/2, to be parsed again as an ordinary request. */
export function headWithoutHttp2(request: IncomingMessage): Buffer {
  return serialiseHead(request, request.url ?? '', FOR_HTTP2);
}

export interface Upgrade {
  readonly target: Target;
  readonly requestHead: Buffer;
  /** Bytes that the client sent behind the head. */
  readonly rest: Buffer;
  readonly dialUpstream: (target: Target) => Promise<Duplex>;
}

/**
 * Sends an upgrade request to its server and joins the two connections; the server's answer, a 101 or not, goes to the
 * client as it is. Settles when the connection is made.
 * @throws what `dialUpstream` throws; the client's socket is then untouched
 */
export async function passUpgrade(client: Duplex, upgrade: Upgrade): Promise<void> {
  const upstream = await upgrade.dialUpstream(upgrade.target);
  if (client.destroyed) return void upstream.destroy();
  for (const [from, to] of [
    [client, upstream],
    [upstream, client],
  ] as const) {
    from.on('error', () => to.destroy());
    from.once('close', () => {
      if (!from.readableEnded || from.errored) to.destroy();
    });
  }
  upstream.write(Buffer.concat([upgrade.requestHead, upgrade.rest]));
  client.pipe(upstream);
  upstream.pipe(client);
}

function serialiseHead(request: IncomingMessage, path: string, dropped: ReadonlySet<string>): Buffer {
  const headers = withoutHeaders(request.rawHeaders, dropped);
  const lines = [`${request.method} ${path} HTTP/1.1`];
  for (let i = 0; i < headers.length; i += 2) lines.push(`${headers[i]}: ${headers[i + 1]}`);
  // The parser gives header bytes as latin1.
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
}
