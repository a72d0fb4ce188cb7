import type { IncomingMessage, ServerResponse } from 'node:http';
import { ProxyError } from '../errors.js';
import type { Exchange, RawHeaders, Reply } from '../http/exchange.js';
import { contentLength, stripHopByHop, withoutHeaders } from '../http/headers.js';
import type { ClientWrites } from './client-writes.js';
import type { CheckedRequest } from './request-check.js';

export interface ExchangeOptions {
  readonly id: string;
  /** The client's socket address, without port. */
  readonly client: string;
  readonly user?: string | undefined;
  readonly checked: CheckedRequest;
  /** True when the connection is to be closed after this answer. */
  readonly closing: () => boolean;
  /** The writes of the whole door. */
  readonly writes: ClientWrites;
}

// Answered or refused at the door; upstream they would ask for what has happened already.
const ANSWERED_HERE: ReadonlySet<string> = new Set(['expect', 'http2-settings']);

/** Makes an exchange of a request whose head has been checked. */
export function createExchange(request: IncomingMessage, response: ServerResponse, options: ExchangeOptions): Exchange {
  const gone = createAbort();
  response.once('close', () => {
    if (!response.writableFinished) gone.abort(clientGone());
  });
  // The fault is told by `close`; without a listener it would end the process.
  request.on('error', () => undefined);
  response.on('error', () => undefined);
  return {
    id: options.id,
    client: options.client,
    user: options.user,
    target: options.checked.target,
    request: {
      method: request.method ?? '',
      path: options.checked.path,
      headers: withoutHeaders(stripHopByHop(request.rawHeaders), ANSWERED_HERE),
      body: request,
      hasBody: options.checked.hasBody,
    },
    reply: createReply(request, response, gone, options),
    get signal() {
      return gone.signal;
    },
  };
}

type Abort = Pick<AbortController, 'signal' | 'abort'>;

/** As AbortController, whose signal is not made before somebody asks for it: what is answered from memory never does. */
function createAbort(): Abort {
  let controller: AbortController | undefined;
  let fault: { readonly reason: unknown } | undefined;
  return {
    get signal() {
      controller ??= new AbortController();
      if (fault !== undefined) controller.abort(fault.reason);
      return controller.signal;
    },
    abort(reason) {
      fault ??= { reason };
      controller?.abort(fault.reason);
    },
  };
}

function createReply(
  request: IncomingMessage,
  response: ServerResponse,
  gone: Abort,
  { closing, writes }: ExchangeOptions,
): Reply {
  let headSent = false;
  let sentBytes = 0;
  let status = 0;
  let announcedBytes: number | undefined;
  const waiting = new Set<(fault: ProxyError | undefined) => void>();
  response.once('close', () => {
    for (const finish of waiting) finish(clientGone());
  });

  /** Runs one operation of the response and waits for its callback, or for the connection's end: the callback of what is queued then never comes. */
  function settled(start: (done: (error?: Error | null) => void) => void): Promise<void> {
    if (response.destroyed || response.writableEnded) return Promise.reject(clientGone());
    return new Promise((resolve, reject) => {
      const ended = writes.begin(() => response.destroy());
      const finish = (fault: ProxyError | undefined) => {
        ended();
        waiting.delete(finish);
        if (fault === undefined) return resolve();
        // A failed write may be told before the connection's end is.
        gone.abort(fault);
        reject(fault);
      };
      waiting.add(finish);
      start((error) => finish(error ? clientGone() : undefined));
    });
  }

  function head(newStatus: number, headers: RawHeaders): void {
    if (response.destroyed) return;
    const kept = stripHopByHop(headers);
    announcedBytes = hasNoBody(request.method, newStatus) ? 0 : contentLength(kept);
    response.writeHead(newStatus, closing() ? [...kept, 'Connection', 'close'] : [...kept]);
    headSent = true;
    status = newStatus;
    // A first piece that comes at once shares a packet with the head; a later one must not hold it up.
    setImmediate(() => {
      if (!response.destroyed) response.flushHeaders();
    });
  }

  async function write(bytes: Uint8Array): Promise<void> {
    if (hasNoBody(request.method, status) || bytes.byteLength === 0) return;
    if (announcedBytes !== undefined && sentBytes + bytes.byteLength > announcedBytes) {
      response.destroy();
      throw new ProxyError('internal', 'The answer is longer than its Content-Length.');
    }
    sentBytes += bytes.byteLength;
    for (let at = 0; at < bytes.byteLength; ) {
      const part = bytes.subarray(at, at + writes.bytesAtOnce);
      at += part.byteLength;
      await settled((done) => response.write(part, done));
    }
  }

  async function end(): Promise<void> {
    if (announcedBytes !== undefined && sentBytes < announcedBytes) {
      // Ended cleanly, the next answer on this connection would be read as the rest of this one.
      response.destroy();
      throw new ProxyError('internal', 'The answer is shorter than its Content-Length.');
    }
    await settled((done) => response.end(done));
  }

  return {
    get headSent() {
      return headSent;
    },
    get sentBytes() {
      return sentBytes;
    },
    get status() {
      return status;
    },
    head,
    write,
    end,
    destroy: () => void response.destroy(),
  };
}

function hasNoBody(method: string | undefined, status: number): boolean {
  return method === 'HEAD' || status === 204 || status === 304;
}

function clientGone(): ProxyError {
  return new ProxyError('client-gone', 'The client closed the connection before the answer had ended.');
}
