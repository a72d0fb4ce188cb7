/* oxlint-disable no-underscore-dangle -- the names that the library gave its methods */
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { type IContext, Proxy as MitmProxy } from 'http-mitm-proxy';
import { type Connections, createConnections } from './connections.js';
import type { Engine, EngineEvents, EngineOptions, Passage } from './contract.js';
import { headWithoutHttp2, isCleartextHttp2 } from './upgrade.js';

/** The longest request head, in bytes. */
export const MAX_HEAD_BYTES = 16 * 1024;

/**
 * The engine on http-mitm-proxy 1.1.0. The library runs the server inside and the CONNECT event; everything that it would
 * do by itself with a client's words is sealed off here, and nowhere else.
 */
export function createEngine(options: EngineOptions, events: EngineEvents): Engine {
  const proxy = new SealedProxy(options, events);
  return {
    listen: () => proxy.open(),
    adopt: (secured, outer, passage) => proxy.adopt(secured, outer, passage),
    get busy() {
      return proxy.connections.busy;
    },
    drain: () => proxy.drain(),
    close: () => proxy.shut(),
  };
}

class SealedProxy extends MitmProxy {
  readonly connections: Connections = createConnections();
  readonly #options: EngineOptions;
  readonly #events: EngineEvents;
  readonly #passages = new WeakMap<Duplex, Passage>();
  /** The answers of each connection that came to stand behind another one. */
  readonly #behind = new WeakMap<Duplex, Set<ServerResponse>>();
  #closed: Promise<void> | undefined;
  #onInnerError: (error: Error) => void = () => undefined;

  constructor(options: EngineOptions, events: EngineEvents) {
    super();
    this.#options = options;
    this.#events = events;
    this.options = {};
    // One handler for each hook, since the library runs several at once; and its callback is never called, since
    // behind it wait the library's own certificates, its own choice of upstream and a pipe without backpressure.
    this.onConnect((request, socket, head: Buffer) => {
      // What is written now would stand in the middle of an earlier answer.
      if (this.connections.isBusy(socket)) {
        socket.destroy();
        return;
      }
      this.connections.begin(socket);
      this.#events.connect(request, socket as Socket, head, this.#passages.get(socket));
    });
  }

  /**
   * Stands in for the library's `listen`, which creates a CA with its keys on disk, prints to the console, and answers
   * WebSocket handshakes before anyone is asked.
   */
  async open(): Promise<AddressInfo> {
    const inner = await this.#openInner();
    const outer = http.createServer(this.#serverOptions());
    this.httpServer = outer;
    this.httpsServer = inner;
    outer.on('connect', this._onHttpServerConnect.bind(this));
    outer.on('request', this._onHttpServerRequest.bind(this, false));
    outer.on('connection', (socket) => {
      this.connections.add(socket);
      this.#events.connection(socket);
    });
    this.#prepare(outer);
    try {
      await new Promise<void>((resolve, reject) => {
        outer.once('error', reject);
        outer.listen({ host: this.#options.host, port: this.#options.port }, resolve);
      });
    } catch (error) {
      await new Promise((resolve) => inner.close(resolve));
      throw error;
    }
    return outer.address() as AddressInfo;
  }

  adopt(secured: TLSSocket, outer: Socket, passage: Passage): void {
    // From here on the outer socket lives and dies with the inner one.
    this.connections.forget(outer);
    this.connections.add(secured);
    this.#passages.set(secured, passage);
    secured.on('error', () => secured.destroy());
    // A client that has left between two requests is waiting for nothing, no farewell either.
    secured.on('end', () => {
      if (!this.connections.isBusy(secured)) secured.destroy();
    });
    this.httpsServer?.emit('secureConnection', secured);
  }

  drain(): void {
    this.httpServer?.close();
    this.connections.drain();
  }

  shut(): Promise<void> {
    this.#closed ??= this.#closeServers();
    return this.#closed;
  }

  async #closeServers(): Promise<void> {
    const servers = [this.httpServer, this.httpsServer];
    const closed = servers.map(
      (server) => new Promise<void>((resolve) => (server ? server.close(() => resolve()) : resolve())),
    );
    this.connections.destroyAll();
    await Promise.all(closed);
  }

  #serverOptions(): https.ServerOptions {
    return {
      headersTimeout: this.#options.headersTimeoutMs,
      // It would limit a whole upload, however well it goes; bodies have an idle limit instead.
      requestTimeout: 0,
      keepAliveTimeout: this.#options.keepAliveTimeoutMs,
      connectionsCheckingInterval: this.#options.checkIntervalMs,
      maxHeaderSize: MAX_HEAD_BYTES,
    };
  }

  /**
   * The server for the inside of tunnels. It listens, because a server that does not listen enforces no time limits;
   * on loopback, and whoever connects there is dropped: its only clients come through `adopt`.
   */
  async #openInner(): Promise<https.Server> {
    this.httpHost = '127.0.0.1';
    const inner = await new Promise<https.Server>((resolve, reject) => {
      this.#onInnerError = reject;
      this._createHttpsServer(this.#serverOptions(), (_port, server) => resolve(server));
    });
    inner.removeAllListeners('connection');
    inner.on('connection', (socket: Socket) => socket.destroy());
    // The WebSocket server of the library dials the inner Host.
    inner.removeAllListeners('upgrade');
    inner.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) =>
      this.#onUpgrade(request, socket, head),
    );
    this.#prepare(inner);
    return inner;
  }

  #prepare(server: http.Server): void {
    // The parser stops collecting at 2000 headers without a word; the head's size is limited anyway.
    server.maxHeadersCount = 0;
    server.removeAllListeners('clientError');
    server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
      this.#events.clientError(error, socket, this.connections.isBusy(socket));
    });
    server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
      response.writeContinue();
      server.emit('request', request, response);
    });
    server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
      this.#track(request, response);
      this.#events.expectation(request, response, this.#passages.get(request.socket));
    });
  }

  #track(request: IncomingMessage, response: ServerResponse): void {
    response.once('close', this.connections.begin(request.socket));
    // The fault is told by `close`; without a listener it would end the process.
    request.on('error', ignore);
    response.on('error', ignore);
    if (response.socket === null) this.#closeWith(request.socket, response);
  }

  /** Node tells only the answer whose turn it is that the connection has closed; those that stand behind it would wait for ever. */
  #closeWith(socket: Socket, response: ServerResponse): void {
    const waiting = this.#behind.get(socket) ?? new Set();
    if (!this.#behind.has(socket)) {
      this.#behind.set(socket, waiting);
      socket.once('close', () => {
        for (const one of waiting) {
          one.destroy();
          one.emit('close');
        }
      });
    }
    waiting.add(response);
    response.once('close', () => waiting.delete(response));
  }

  /**
   * Goes past the library's request context: thirty closures for each request, none of which is called here, and an
   * upstream's name that it reads from the target or the Host header.
   */
  override _onHttpServerRequest(isSSL: boolean, request: IncomingMessage, response: ServerResponse): void {
    this.#track(request, response);
    const passage = this.#passages.get(request.socket);
    if (isSSL && passage === undefined) request.socket.destroy();
    else this.#events.request(request, response, passage);
  }

  #onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const passage = this.#passages.get(socket);
    if (passage === undefined || this.connections.isBusy(socket)) return void socket.destroy();
    if (isCleartextHttp2(request)) {
      // Node has left HTTP already; the request is put back without its wish, and read once more.
      socket.unshift(Buffer.concat([headWithoutHttp2(request), head]));
      return void this.httpsServer?.emit('secureConnection', socket);
    }
    this.connections.begin(socket);
    this.#events.upgrade(request, socket, head, passage);
  }

  /** The library prints errors to the console and ends a broken answer as if it were whole, with the error's text at its end. */
  override _onError(_kind: string, context: IContext | null, error: Error): void {
    if (context === null) this.#onInnerError(error);
    else context.proxyToClientResponse.destroy();
  }

  override _onSocketError(): void {
    // An error is followed by `close`, and that is where a connection's end is dealt with.
  }
}

function ignore(): void {
  // See above.
}
