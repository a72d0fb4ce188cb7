import type { OnReadOpts, Socket } from 'node:net';

/**
 * Gives what comes on a connection to `onread` as Node would, for connections that Node does not do it for: TLS over
 * another connection. Costs a copy of every byte.
 */
export function readInto(socket: Socket, onread: OnReadOpts): void {
  const { buffer } = onread;
  if (!(buffer instanceof Uint8Array)) throw new TypeError('one buffer is needed');
  socket.on('data', (bytes: Buffer) => {
    let more = true;
    for (let at = 0; at < bytes.length; at += buffer.length) {
      const part = bytes.subarray(at, at + buffer.length);
      buffer.set(part);
      more = onread.callback(part.length, buffer);
    }
    if (!more) socket.pause();
  });
}
