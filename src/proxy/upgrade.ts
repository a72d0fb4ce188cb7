import http, { type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { asProxyError, ProxyError } from '../errors.js';
import type { RawHeaders, Target } from '../http/exchange.js';
import { hasToken, stripHopByHop, withoutHeaders } from '../http/headers.js';
import { joinSockets, type Tunnel, type TunnelBytes } from './tunnel.js';

/** True for an upgrade to cleartext HTTP/2, which would carry requests past every check (RFC 9113 section 3.1: obsolete). */
export function isCleartextHttp2(request: IncomingMessage): boolean {
  return hasToken(request.rawHeaders, 'upgrade', 'h2c');
}

// Meant for the proxy, not for the server behind it.
const FOR_PROXY: ReadonlySet<string> = new Set(['proxy-authorization', 'proxy-connection']);
const FOR_HTTP2: ReadonlySet<string> = new Set(['connection', 'upgrade', 'http2-settings']);

/** The head of a request without its wish to speak HTTP/2, to be parsed again as an ordinary request. */
export function headWithoutHttp2(request: IncomingMessage): Buffer {
  return headBytes(`${request.method} ${request.url ?? ''} HTTP/1.1`, withoutHeaders(request.rawHeaders, FOR_HTTP2));
}

export interface Upgrade {
  readonly target: Target;
  readonly path: string;
  /** Bytes that the client sent behind the head: they wait for the server's yes. */
  readonly rest: Buffer;
  readonly dialUpstream: (target: Target) => Promise<Socket>;
  /** How long the server's answer may take. */
  readonly answerTimeoutMs: number;
  /** How long nothing may pass through what was joined. */
  readonly idleTimeoutMs: number;
  /** Told when the two connections have been joined. */
  readonly onJoined: (tunnel: Tunnel) => void;
}

export interface UpgradeEnd {
  /** The server's answer: 101 where the connections were joined. */
  readonly status: number;
  /** Bytes that were sent to the client and came from it, heads included. */
  readonly bytes: TunnelBytes;
}

/**
 * Sends an upgrade request to its server. Only behind a 101 are the two connections joined; any other answer goes to the
 * client as an ordinary one, and the connection ends with it: whatever else the client had to say on it would be passed
 * on unchecked. Settles when all is over.
 * @throws what `dialUpstream` throws, `upstream-timeout` and `upstream-protocol`; the client's socket is then untouched
 */
export async function passUpgrade(request: IncomingMessage, client: Socket, upgrade: Upgrade): Promise<UpgradeEnd> {
  const upstream = await upgrade.dialUpstream(upgrade.target);
  const stopWatching = onLeave(client, () => upstream.destroy());
  const answer = await ask(upstream, request, upgrade).finally(stopWatching);
  const status = answer.response.statusCode ?? 0;
  if (answer.rest === undefined) {
    await passAnswer(request, client, answer.response);
    upstream.destroy();
    return { status, bytes: { sent: upstream.bytesRead, received: upstream.bytesWritten } };
  }
  client.write(Buffer.concat([headOf(answer.response), answer.rest]));
  if (upgrade.rest.length > 0) upstream.write(upgrade.rest);
  const tunnel = joinSockets(client, upstream, upgrade);
  upgrade.onJoined(tunnel);
  return { status, bytes: await tunnel.closed };
}

/** Tells when a client leaves, without taking anything of what it has sent; gives the function that stops. */
function onLeave(client: Socket, left: () => void): () => void {
  // Only a socket that is read tells of its end.
  const read = () => undefined;
  client.on('readable', read).once('end', left).once('close', left);
  if (client.destroyed) left();
  return () => void client.off('readable', read).off('end', left).off('close', left);
}

/** An answer's head, with its body to come; or, after a 101, with the bytes that came right behind it. */
interface Answer {
  readonly response: IncomingMessage;
  readonly rest: Buffer | undefined;
}

function ask(upstream: Socket, request: IncomingMessage, { target, path, answerTimeoutMs }: Upgrade): Promise<Answer> {
  const { host } = target;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      const seconds = answerTimeoutMs / 1000;
      sent.destroy(new ProxyError('upstream-timeout', `${host} did not answer the upgrade within ${seconds} s`));
    }, answerTimeoutMs);
    const sent = http.request({
      method: request.method ?? 'GET',
      path,
      headers: [...withoutHeaders(request.rawHeaders, FOR_PROXY)] as never,
      createConnection: () => upstream,
    });
    sent.on('error', (cause) => {
      clearTimeout(timer);
      upstream.destroy();
      const said = new ProxyError('upstream-protocol', `${host} gave no answer to the upgrade`, { cause });
      reject(asProxyError(cause).code === 'internal' ? said : cause);
    });
    sent.once('response', (response) => {
      clearTimeout(timer);
      resolve({ response, rest: undefined });
    });
    sent.once('upgrade', (response, _socket, rest) => {
      clearTimeout(timer);
      if (response.statusCode === 101) return resolve({ response, rest });
      sent.destroy(new ProxyError('upstream-protocol', `${host} changed the protocol without a 101`));
    });
    sent.end();
  });
}

/** Gives a refused client the server's answer, and closes. */
async function passAnswer(request: IncomingMessage, client: Socket, answer: IncomingMessage): Promise<void> {
  const response = new http.ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(client);
  // The server that the socket came from has let go of it, and would have told this.
  client.on('drain', () => response.emit('drain'));
  const headers = [...stripHopByHop(answer.rawHeaders), 'Connection', 'close'];
  response.writeHead(answer.statusCode ?? 502, answer.statusMessage, headers);
  // A body that breaks off breaks the client's connection too; nobody may take a part for the whole.
  await pipeline(answer, response).then(
    () => client.end(() => client.destroy()),
    () => client.destroy(),
  );
}

function headOf(answer: IncomingMessage): Buffer {
  return headBytes(`HTTP/1.1 101 ${answer.statusMessage ?? ''}`, answer.rawHeaders);
}

function headBytes(firstLine: string, headers: RawHeaders): Buffer {
  const lines = [firstLine];
  for (let i = 0; i < headers.length; i += 2) lines.push(`${headers[i]}: ${headers[i + 1]}`);
  // The parser gives header bytes as latin1.
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
}
