import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

/**
 * Ends a connection so that its bytes so far cannot pass for the whole: by a reset, or without TLS's own word of
 * farewell. Where the end of sending is on its way already there is nothing left to take back, and a reset in that
 * moment would fail (EINVAL) and leave the socket open for ever.
 */
export function breakOff(socket: Socket): void {
  const hasSentAll = socket.writableEnded && socket.writableLength === 0;
  if (socket instanceof TLSSocket || hasSentAll) socket.destroy();
  else socket.resetAndDestroy();
}
