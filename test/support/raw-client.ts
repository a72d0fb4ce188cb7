import { once } from 'node:events';
import net from 'node:net';
import type { Duplex } from 'node:stream';
import tls from 'node:tls';

export interface Place {
  readonly host: string;
  readonly port: number;
}

/** A connection on which a test writes the very bytes it means, and reads what comes back. */
export interface RawClient {
  readonly socket: Duplex;
  send(text: string | Uint8Array): void;
  /** Resolves with everything up to and including the text, which is then gone from the buffer. Rejects when the connection ends before. */
  readUntil(text: string): Promise<string>;
  /** Resolves with exactly so many bytes. */
  readBytes(count: number): Promise<Buffer>;
  /** Resolves with the rest once the other side has closed, cleanly or not. */
  readAll(): Promise<Buffer>;
  /** `clean` after a FIN, `reset` after anything else; resolves when the connection is gone. */
  readonly closed: Promise<'clean' | 'reset'>;
  destroy(): void;
}

export async function connectRaw(place: Place): Promise<RawClient> {
  const socket = net.connect({ host: place.host, port: place.port });
  await once(socket, 'connect');
  return rawClient(socket);
}

/** Sends everything at once and gives what comes back until the other side closes. */
export async function exchangeRaw(place: Place, text: string | Uint8Array): Promise<string> {
  const client = await connectRaw(place);
  client.send(text);
  return (await client.readAll()).toString('latin1');
}

export function rawClient(socket: Duplex): RawClient {
  let buffered: Buffer = Buffer.alloc(0);
  let failed = false;
  let over = false;
  const waiting = new Set<() => void>();

  function signal(): void {
    for (const wake of waiting) wake();
    waiting.clear();
  }

  function changed(): Promise<void> {
    return new Promise((resolve) => waiting.add(resolve));
  }

  function isOver(): boolean {
    return over;
  }

  const closed = new Promise<'clean' | 'reset'>((resolve) => {
    socket.on('data', (chunk: Buffer) => {
      buffered = Buffer.concat([buffered, chunk]);
      signal();
    });
    socket.on('end', () => {
      over = true;
      signal();
    });
    socket.on('error', () => (failed = true));
    socket.on('close', () => {
      const clean = over && !failed;
      over = true;
      resolve(clean ? 'clean' : 'reset');
      signal();
    });
  });

  async function take(length: () => number): Promise<Buffer> {
    for (;;) {
      const bytes = length();
      if (bytes >= 0) {
        const taken = buffered.subarray(0, bytes);
        buffered = buffered.subarray(bytes);
        return taken;
      }
      if (over) throw new Error(`connection ended after: ${buffered.toString('latin1')}`);
      await changed();
    }
  }

  return {
    socket,
    closed,
    send: (text) => void socket.write(text),
    readUntil: async (text) => {
      const found = await take(() => {
        const at = buffered.indexOf(text, 0, 'latin1');
        return at === -1 ? -1 : at + text.length;
      });
      return found.toString('latin1');
    },
    readBytes: (count) => take(() => (buffered.length < count ? -1 : count)),
    readAll: async () => {
      while (!isOver()) await changed();
      return take(() => buffered.length);
    },
    destroy: () => void socket.destroy(),
  };
}

export interface TunnelOptions {
  /** Without a proxy the connection goes straight to the authority, for comparison. */
  readonly proxy?: Place | undefined;
  /** `host:port`, as it stands after CONNECT. */
  readonly authority: string;
  readonly ca: string | readonly string[];
  /** Header lines of the CONNECT, each without its line end. */
  readonly connectLines?: readonly string[];
  /** The server name of the TLS hello; the authority's host by default, none where that is an address or for ''. */
  readonly servername?: string;
}

/** What a proxy answered to a CONNECT. */
export class ConnectRefused extends Error {
  readonly status: number;
  readonly body: string;

  constructor(status: number, body: string) {
    super(`CONNECT got ${status}`);
    this.status = status;
    this.body = body;
  }
}

/** CONNECT without TLS: gives the socket behind the 200. Rejects with ConnectRefused for another status. */
export async function openTunnel(
  options: Pick<TunnelOptions, 'authority' | 'connectLines'> & { readonly proxy: Place },
): Promise<net.Socket> {
  const socket = net.connect({ host: options.proxy.host, port: options.proxy.port });
  await once(socket, 'connect');
  const lines = [
    `CONNECT ${options.authority} HTTP/1.1`,
    `Host: ${options.authority}`,
    ...(options.connectLines ?? []),
  ];
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  let answer = Buffer.alloc(0);
  while (!answer.includes('\r\n\r\n')) {
    const chunk = socket.read() as Buffer | null;
    if (chunk !== null) answer = Buffer.concat([answer, chunk]);
    else if (socket.readableEnded || socket.destroyed) throw new ConnectRefused(0, answer.toString('latin1'));
    else await Promise.race([once(socket, 'readable'), once(socket, 'close')]);
  }
  const end = answer.indexOf('\r\n\r\n') + 4;
  const status = Number(answer.subarray(9, 12).toString('latin1'));
  if (status !== 200) {
    const rest: Buffer[] = [answer.subarray(end)];
    for await (const chunk of socket) rest.push(chunk as Buffer);
    throw new ConnectRefused(status, Buffer.concat(rest).toString('utf8'));
  }
  if (answer.length > end) socket.unshift(answer.subarray(end));
  return socket;
}

/** CONNECT and the TLS handshake with whoever answers behind it. */
export async function openTlsTunnel(options: TunnelOptions): Promise<tls.TLSSocket> {
  const colon = options.authority.lastIndexOf(':');
  const host = options.authority.slice(0, colon).replaceAll(/[[\]]/g, '');
  const { proxy } = options;
  const port = Number(options.authority.slice(colon + 1));
  const socket = proxy === undefined ? net.connect({ host, port }) : await openTunnel({ ...options, proxy });
  const servername = options.servername ?? (net.isIP(host) === 0 ? host : '');
  const secure = tls.connect({
    socket,
    host,
    ca: typeof options.ca === 'string' ? options.ca : [...options.ca],
    ALPNProtocols: ['http/1.1'],
    ...(servername === '' ? {} : { servername }),
  });
  await once(secure, 'secureConnect');
  // Faults are told by what is read, or `errored`; without a listener one would end the test run.
  secure.on('error', () => undefined);
  return secure;
}
