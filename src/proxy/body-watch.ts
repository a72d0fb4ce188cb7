import type { IncomingMessage } from 'node:http';

/**
 * Ends a connection whose client has announced a body and stopped sending it. Time in which the receiver does not take
 * what has come does not count: then it is not the client that is late. Limits a pause, never a whole upload.
 */
export function watchRequestBody(request: IncomingMessage, idleMs: number, onStalled: () => void): void {
  let seenBytes = request.socket.bytesRead;
  let timer = setTimeout(look, idleMs);
  function look(): void {
    const readBytes = request.socket.bytesRead;
    if (readBytes === seenBytes && request.readableLength === 0 && !request.complete) return onStalled();
    seenBytes = readBytes;
    timer = setTimeout(look, idleMs);
  }
  const stop = () => clearTimeout(timer);
  request.once('end', stop).once('close', stop);
}
