import { once } from 'node:events';
import net from 'node:net';
import type { Duplex } from 'node:stream';
import tls from 'node:tls';

/** A client that sends exactly the bytes it is told to, and remembers all that comes. */
export interface RawClient {
  readonly socket: Duplex;
  /** Everything received so far, bytes as latin1. */
  readonly received: string;
  send(text: string | Buffer): void;
  /** Waits until the received text matches, or the other side has ended; gives the text. */
  until(pattern: RegExp): Promise<string>;
  /** Waits for the end of what the other side sends; gives the text. */
  closed(): Promise<string>;
  destroy(): void;
}

export async function connectRaw(port: number, options: { allowHalfOpen?: boolean } = {}): Promise<RawClient> {
  const socket = net.connect({ port, host: '127.0.0.1', ...options });
  await once(socket, 'connect');
  return rawClient(socket);
}

/** Sends a CONNECT, expects a 200 and gives the bare socket. */
export async function connectThrough(port: number, authority: string, rest: string | Buffer = ''): Promise<RawClient> {
  const client = await connectRaw(port, { allowHalfOpen: true });
  const head = `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`;
  client.send(Buffer.concat([Buffer.from(head), Buffer.from(rest)]));
  const answer = await client.until(/\r\n\r\n/);
  if (!answer.startsWith('HTTP/1.1 200 ')) throw new Error(`CONNECT ${authority}: ${answer}`);
  return client;
}

/** Goes through a CONNECT and a TLS handshake; gives the inside. */
export async function connectInside(
  port: number,
  authority: string,
  ca: string,
  options: tls.ConnectionOptions = {},
): Promise<RawClient> {
  const outer = await connectThrough(port, authority);
  outer.socket.removeAllListeners('data');
  const host = authority.slice(0, authority.lastIndexOf(':')).replace(/^\[|\]$/g, '');
  const name = net.isIP(host) === 0 ? { servername: host } : {};
  const secured = tls.connect({ socket: outer.socket, host, ca, ...name, ...options });
  await once(secured, 'secureConnect');
  return rawClient(secured);
}

export function rawClient(socket: Duplex): RawClient {
  let received = '';
  let isClosed = false;
  const changed = new Set<() => void>();
  const tell = () => {
    for (const wake of changed) wake();
  };
  socket.on('data', (bytes: Buffer) => {
    received += bytes.toString('latin1');
    tell();
  });
  socket.on('error', () => undefined);
  const onEnd = () => {
    isClosed = true;
    tell();
  };
  socket.on('end', onEnd).on('close', onEnd);
  function waitFor(done: () => boolean): Promise<string> {
    return new Promise((resolve) => {
      const look = () => {
        if (!done() && !isClosed) return;
        changed.delete(look);
        resolve(received);
      };
      changed.add(look);
      look();
    });
  }
  return {
    socket,
    get received() {
      return received;
    },
    send: (text) => void socket.write(text),
    until: (pattern) => waitFor(() => pattern.test(received)),
    closed: () => waitFor(() => false),
    destroy: () => void socket.destroy(),
  };
}
