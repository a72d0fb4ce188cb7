import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { ProxyError } from '../errors.js';
import type { RawHeaders } from '../http/exchange.js';

/** An answer that this proxy gives itself, in the form that registry clients show to people. */
export interface Refusal {
  readonly status: number;
  readonly message: string;
  readonly requestId: string;
}

/** The refusal of a request that has failed. Only a ProxyError's words are for clients: others may name files and addresses. */
export function refusalOf(error: unknown, requestId: string): Refusal {
  if (error instanceof ProxyError) return { status: error.status, message: error.message, requestId };
  return { status: 500, message: 'The proxy has failed.', requestId };
}

// The codes of the distribution spec (section "Error Codes"), as far as a door can know, and UNAVAILABLE, which registries use too.
const CODES: ReadonlyMap<number, string> = new Map([
  [403, 'DENIED'],
  [407, 'UNAUTHORIZED'],
  [421, 'DENIED'],
  [429, 'TOOMANYREQUESTS'],
  [500, 'UNKNOWN'],
  [502, 'UNAVAILABLE'],
  [503, 'UNAVAILABLE'],
  [504, 'UNAVAILABLE'],
]);

// What a client has to be told beside the words (RFC 9110 sections 10.2.3 and 11.7.1).
const ADVICE: ReadonlyMap<number, RawHeaders> = new Map([
  [407, ['Proxy-Authenticate', 'Basic realm="entrepot"']],
  [503, ['Retry-After', '5']],
]);

/** The body: error JSON of the distribution spec, with the request id in `detail`. */
export function refusalBody(refusal: Refusal): Buffer {
  const code = CODES.get(refusal.status) ?? 'UNSUPPORTED';
  const error = { code, message: refusal.message, detail: { requestId: refusal.requestId } };
  return Buffer.from(`${JSON.stringify({ errors: [error] })}\n`);
}

/** Answers a request and closes the connection: what else is on it is not to be trusted. */
export function sendRefusal(request: IncomingMessage, response: ServerResponse, refusal: Refusal): void {
  if (response.headersSent || response.destroyed) return void response.destroy();
  const body = refusalBody(refusal);
  // Bytes of an unwanted body that are already here are read and dropped, so that the close is no reset.
  request.resume();
  response.writeHead(refusal.status, [...refusalHeaders(refusal, body), 'Connection', 'close']);
  response.end(body);
}

/** Answers on a socket that no HTTP server looks after any more, and closes it. */
export function writeRefusal(socket: Duplex, refusal: Refusal): void {
  if (socket.destroyed || !socket.writable) return void socket.destroy();
  const body = refusalBody(refusal);
  const reason = STATUS_CODES[refusal.status] ?? 'Refused';
  const lines = [`HTTP/1.1 ${refusal.status} ${reason}`];
  const headers = [...refusalHeaders(refusal, body), 'Date', new Date().toUTCString(), 'Connection', 'close'];
  for (let i = 0; i < headers.length; i += 2) lines.push(`${headers[i]}: ${headers[i + 1]}`);
  // Nobody waits for the client to close its side: it may never do so.
  socket.end(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), body]), () => socket.destroy());
}

function refusalHeaders({ status }: Refusal, body: Buffer): RawHeaders {
  return [
    ...(ADVICE.get(status) ?? []),
    'Content-Type',
    'application/json',
    'Content-Length',
    String(body.length),
    'X-Content-Type-Options',
    'nosniff',
  ];
}
