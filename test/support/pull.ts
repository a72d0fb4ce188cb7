import { createHash } from 'node:crypto';
import type tls from 'node:tls';
import { parseChallenges } from '../../src/http/challenge.js';
import type { RawHeaders } from '../../src/http/exchange.js';
import { headerValue } from '../../src/http/headers.js';
import { openTlsTunnel, type Place } from './raw-client.js';
import { wireReader } from './wire-reader.js';

/** The way to a registry: the proxy, and whom to trust behind it. */
export interface Way {
  /** Straight to the registry without one. */
  readonly proxy?: Place | undefined;
  /** PEM of the proxy's CA, and of the CAs of hosts that are tunnelled. */
  readonly ca: string | readonly string[];
}

export interface ProxyRequest extends Way {
  /** `host:port` of the CONNECT. */
  readonly authority: string;
  readonly path: string;
  readonly method?: string;
  /** Name, value, name, value; Host, User-Agent and Content-Length are added where they are missing. */
  readonly headers?: RawHeaders;
  readonly body?: Uint8Array;
  /** A connection to use again; a new CONNECT and handshake is made without, as old dockerd does. */
  readonly socket?: tls.TLSSocket;
}

export interface ProxyAnswer {
  readonly status: number;
  readonly rawHeaders: RawHeaders;
  /** Statuses of interim answers, such as 100. */
  readonly interim: readonly number[];
  header(name: string): string | undefined;
  readonly body: Buffer;
  /** Whether the answer came to a clean end. */
  readonly complete: boolean;
  /** The error code of the connection, where it broke. */
  readonly fault: string | undefined;
}

/** An answer whose body is read piece by piece, at the test's own pace. */
export interface OpenAnswer {
  readonly status: number;
  readonly rawHeaders: RawHeaders;
  /** Statuses of interim answers, such as 100. */
  readonly interim: readonly number[];
  header(name: string): string | undefined;
  /** Reads exactly so many bytes, or fewer where the body ends or breaks before. Nothing more is taken from the connection. */
  read(bytes: number): Promise<Buffer>;
  /** Reads on to the end, clean or not. */
  rest(): Promise<ProxyAnswer>;
  /** Breaks the connection. */
  hangUp(): void;
}

/** Sends a request through the proxy and reads the whole answer. */
export async function proxyGet(request: ProxyRequest): Promise<ProxyAnswer> {
  return (await proxyOpen(request)).rest();
}

/** Sends a request through the proxy and gives the answer as soon as its head is there. */
export async function proxyOpen(request: ProxyRequest): Promise<OpenAnswer> {
  const socket = request.socket ?? (await openTlsTunnel(request));
  const method = request.method ?? 'GET';
  const given = request.headers ?? [];
  const headers = [...given];
  if (headerValue(given, 'host') === undefined) headers.unshift('Host', request.authority.replace(/:443$/, ''));
  if (headerValue(given, 'user-agent') === undefined) headers.push('User-Agent', 'entrepot-test');
  if (request.socket === undefined && headerValue(given, 'connection') === undefined)
    headers.push('Connection', 'close');
  const framed = headerValue(given, 'content-length') ?? headerValue(given, 'transfer-encoding');
  if (request.body !== undefined && framed === undefined) headers.push('Content-Length', String(request.body.length));
  const lines = [`${method} ${request.path} HTTP/1.1`];
  for (let i = 0; i < headers.length; i += 2) lines.push(`${headers[i]}: ${headers[i + 1]}`);
  const reader = wireReader(socket, method);
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  if (request.body !== undefined) socket.write(request.body);
  const { status, rawHeaders, interim } = await reader.head();
  const header = (name: string): string | undefined => headerValue(rawHeaders, name);
  return {
    status,
    rawHeaders,
    interim,
    header,
    read: (bytes) => reader.read(bytes),
    rest: async () => {
      const body = await reader.read(Number.POSITIVE_INFINITY);
      if (request.socket === undefined || !reader.complete) socket.destroy();
      return { status, rawHeaders, interim, header, body, complete: reader.complete, fault: reader.fault };
    },
    hangUp: () => void socket.destroy(),
  };
}

/** Whether bytes have this digest. */
export function hasDigest(bytes: Uint8Array, digest: string): boolean {
  const colon = digest.indexOf(':');
  return createHash(digest.slice(0, colon)).update(bytes).digest('hex') === digest.slice(colon + 1);
}

/** Asks as clients do: without a credential first, and again with what the challenge leads to. */
export async function fetchToken(
  way: Way,
  challengeLine: string,
  scope: string,
  credential?: Credential,
): Promise<string> {
  const [challenge] = parseChallenges([challengeLine]);
  if (challenge?.scheme === 'basic') return basic(credential ?? { user: '', password: '' });
  const realm = new URL(challenge?.params.get('realm') ?? '');
  const query = `scope=${encodeURIComponent(scope)}&service=${encodeURIComponent(challenge?.params.get('service') ?? '')}`;
  const answer = await proxyGet({
    ...way,
    authority: `${realm.hostname}:${realm.port === '' ? 443 : realm.port}`,
    path: `${realm.pathname}?${query}`,
    headers: credential === undefined ? [] : ['Authorization', basic(credential)],
  });
  if (answer.status !== 200) throw new PullError(`the token server answered ${answer.status}`, answer);
  return `Bearer ${(JSON.parse(answer.body.toString()) as { token: string }).token}`;
}

export interface Credential {
  readonly user: string;
  readonly password: string;
}

/** A pull that a client would give up. */
export class PullError extends Error {
  readonly answer: ProxyAnswer;

  constructor(message: string, answer: ProxyAnswer) {
    super(`${message}: ${answer.body.subarray(0, 300).toString()}`);
    this.answer = answer;
  }
}

function basic({ user, password }: Credential): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}
