import type { Socket } from 'node:net';
import { breakOff } from '../net/break-off.js';

/** Bytes passed in each direction, as the client sees it. */
export interface TunnelBytes {
  readonly sent: number;
  readonly received: number;
}

export interface Tunnel {
  /** How long nothing has passed in either direction, in milliseconds. */
  readonly idleMs: number;
  destroy(): void;
  /** Settles when both sides are closed. Never rejects. */
  readonly closed: Promise<TunnelBytes>;
}

export interface TunnelOptions {
  /** Bytes that the client sent together with its CONNECT. */
  readonly head: Buffer;
  /** Closes a tunnel through which nothing has passed for so long; 0 for never. */
  readonly idleTimeoutMs: number;
}

/** Answers the CONNECT and joins the two sockets, bytes unseen. */
export function openTunnel(client: Socket, upstream: Socket, options: TunnelOptions): Tunnel {
  client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
  if (options.head.length > 0) upstream.write(options.head);
  return joinSockets(client, upstream, options);
}

/**
 * Passes bytes between two sockets, unseen. Each side may end its sending alone (both sockets must allow that), a
 * reader that stops stops its sender, and when one side breaks the other is broken too.
 */
export function joinSockets(client: Socket, upstream: Socket, options: Pick<TunnelOptions, 'idleTimeoutMs'>): Tunnel {
  let lastByteAt = performance.now();
  const touch = () => {
    lastByteAt = performance.now();
  };
  const destroy = () => {
    client.destroy();
    upstream.destroy();
  };
  for (const [from, to] of [
    [client, upstream],
    [upstream, client],
  ] as const) {
    from.on('data', touch);
    from.on('error', () => from.destroy());
    // A side that ended has passed that on already; one that closed without has been cut, and a clean end of the
    // other side would make the bytes so far look whole.
    from.once('close', () => {
      if (!from.readableEnded || from.errored) breakOff(to);
    });
  }
  if (options.idleTimeoutMs > 0) upstream.setTimeout(options.idleTimeoutMs, destroy);
  const closed = Promise.all([closing(client), closing(upstream)]).then(() => ({
    sent: upstream.bytesRead,
    received: upstream.bytesWritten,
  }));
  client.pipe(upstream);
  upstream.pipe(client);
  return {
    get idleMs() {
      return performance.now() - lastByteAt;
    },
    destroy,
    closed,
  };
}

function closing(socket: Socket): Promise<void> {
  if (socket.closed) return Promise.resolve();
  return new Promise((resolve) => socket.once('close', () => resolve()));
}
