import type { IncomingMessage, ServerResponse } from 'node:http';
import { ProxyError } from '../errors.js';
import type { Exchange, ExchangeRequest, RawHeaders, Reply, Target } from '../http/exchange.js';
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
  /** Called once, when the connection has done with the answer or is gone. */
  readonly onClose?: () => void;
}

// Answered or refused at the door; upstream they would ask for what has happened already.
const ANSWERED_HERE: ReadonlySet<string> = new Set(['expect', 'http2-settings']);

/** Makes an exchange of a request whose head has been checked. */
export function createExchange(request: IncomingMessage, response: ServerResponse, options: ExchangeOptions): Exchange {
  const gone = new Abort();
  const reply = new HttpReply(request, response, gone, options);
  response.once('close', () => {
    if (!response.writableFinished) gone.abort(clientGone());
    reply.closed();
    options.onClose?.();
  });
  return new HttpExchange(request, reply, gone, options);
}

/**
 * Classes here, because they are made for every request: an object literal with accessors is put together piece by piece.
 * No private names in this one: whoever makes an exchange for another target has it as the prototype of his own.
 */
class HttpExchange implements Exchange {
  readonly id: string;
  readonly client: string;
  readonly user: string | undefined;
  readonly target: Target;
  readonly connection: object;
  readonly request: ExchangeRequest;
  readonly reply: Reply;
  private readonly gone: Abort;

  constructor(request: IncomingMessage, reply: Reply, gone: Abort, { id, client, user, checked }: ExchangeOptions) {
    this.id = id;
    this.client = client;
    this.user = user;
    this.target = checked.target;
    this.connection = request.socket;
    this.request = {
      method: request.method ?? '',
      path: checked.path,
      headers: withoutHeaders(stripHopByHop(request.rawHeaders), ANSWERED_HERE),
      body: request,
      hasBody: checked.hasBody,
    };
    this.reply = reply;
    this.gone = gone;
  }

  get signal(): AbortSignal {
    return this.gone.signal;
  }
}

/** As AbortController, whose signal is not made before somebody asks for it: what is answered from memory never does. */
class Abort {
  #controller: AbortController | undefined;
  #fault: { readonly reason: unknown } | undefined;

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#fault !== undefined) this.#controller.abort(this.#fault.reason);
    return this.#controller.signal;
  }

  abort(reason: unknown): void {
    this.#fault ??= { reason };
    this.#controller?.abort(this.#fault.reason);
  }
}

type Finish = (fault: ProxyError | undefined) => void;

class HttpReply implements Reply {
  headSent = false;
  sentBytes = 0;
  status = 0;
  #announcedBytes: number | undefined;
  readonly #waiting: Finish[] = [];
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #gone: Abort;
  readonly #closing: () => boolean;
  readonly #writes: ClientWrites;

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    gone: Abort,
    { closing, writes }: Pick<ExchangeOptions, 'closing' | 'writes'>,
  ) {
    this.#request = request;
    this.#response = response;
    this.#gone = gone;
    this.#closing = closing;
    this.#writes = writes;
  }

  head(status: number, headers: RawHeaders): void {
    const response = this.#response;
    if (response.destroyed) return;
    this.#writeHead(status, headers);
    // A first piece that comes at once shares a packet with the head; a later one must not hold it up.
    setImmediate(() => {
      if (!response.destroyed) response.flushHeaders();
    });
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (hasNoBody(this.#request.method, this.status) || bytes.byteLength === 0) return;
    if (this.#announcedBytes !== undefined && this.sentBytes + bytes.byteLength > this.#announcedBytes) {
      this.#response.destroy();
      throw new ProxyError('internal', 'The answer is longer than its Content-Length.');
    }
    this.sentBytes += bytes.byteLength;
    for (let at = 0; at < bytes.byteLength; ) {
      const part = bytes.subarray(at, at + this.#writes.bytesAtOnce);
      at += part.byteLength;
      await this.#settled((done) => this.#response.write(part, done));
    }
  }

  async end(): Promise<void> {
    if (this.#announcedBytes !== undefined && this.sentBytes < this.#announcedBytes) {
      // Ended cleanly, the next answer on this connection would be read as the rest of this one.
      this.#response.destroy();
      throw new ProxyError('internal', 'The answer is shorter than its Content-Length.');
    }
    await this.#settled((done) => this.#response.end(done));
  }

  async send(status: number, headers: RawHeaders, body: Uint8Array): Promise<void> {
    const response = this.#response;
    if (response.destroyed) throw clientGone();
    this.#writeHead(status, headers);
    const isOneWrite = this.#announcedBytes === body.byteLength && body.byteLength <= this.#writes.bytesAtOnce;
    if (!isOneWrite || body.byteLength === 0) {
      await this.write(body);
      return this.end();
    }
    this.sentBytes = body.byteLength;
    return this.#settled((done) => response.end(body, done));
  }

  destroy(): void {
    this.#response.destroy();
  }

  /** The connection has done with the answer: nothing that still waits will be told so. */
  closed(): void {
    for (const finish of [...this.#waiting]) finish(clientGone());
  }

  #writeHead(status: number, headers: RawHeaders): void {
    const kept = stripHopByHop(headers);
    this.#announcedBytes = hasNoBody(this.#request.method, status) ? 0 : contentLength(kept);
    // Node keeps the list no longer than this call.
    this.#response.writeHead(status, this.#closing() ? [...kept, 'Connection', 'close'] : (kept as string[]));
    this.headSent = true;
    this.status = status;
  }

  /** Runs one operation of the response and waits for its callback, or for the connection's end: the callback of what is queued then never comes. */
  #settled(start: (done: (error?: Error | null) => void) => void): Promise<void> {
    const response = this.#response;
    if (response.destroyed || response.writableEnded) return Promise.reject(clientGone());
    return new Promise((resolve, reject) => {
      const write = this.#writes.begin(response);
      const finish: Finish = (fault) => {
        this.#writes.end(write);
        const place = this.#waiting.indexOf(finish);
        if (place >= 0) this.#waiting.splice(place, 1);
        if (fault === undefined) return resolve();
        // A failed write may be told before the connection's end is.
        this.#gone.abort(fault);
        reject(fault);
      };
      this.#waiting.push(finish);
      start((error) => finish(error ? clientGone() : undefined));
    });
  }
}

function hasNoBody(method: string | undefined, status: number): boolean {
  return method === 'HEAD' || status === 204 || status === 304;
}

function clientGone(): ProxyError {
  return new ProxyError('client-gone', 'The client closed the connection before the answer had ended.');
}
