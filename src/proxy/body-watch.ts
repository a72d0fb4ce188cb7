import type { IncomingMessage } from 'node:http';

/**
 * Ends a connection whose client has announced a body and stopped sending it. Time in which the receiver does not take
 * what has come does not count: then it is not the client that is late. Limits a pause, never a whole upload.
 */
export function watchRequestBody(request: IncomingMessage, idleMs: number, onStalled: () => void): void {
  let seenBytes = request.socket.bytesRead;
  const timer = setInterval(() => {
    const readBytes = request.socket.bytesRead;
    if (readBytes === seenBytes && request.readableLength === 0 && !request.complete) {
      clearInterval(timer);
      onStalled();
    }
    seenBytes = readBytes;
  }, idleMs);
  const stop = () => clearInterval(timer);
  request.once('end', stop).once('close', stop);
}
