import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createConnections } from '../../src/proxy/connections.js';
import type { Engine, EngineEvents, EngineOptions, Passage } from '../../src/proxy/contract.js';
import { headWithoutHttp2, isCleartextHttp2 } from '../../src/proxy/upgrade.js';

/** The engine on node:http alone. It shows what leaving http-mitm-proxy would cost: this file. */
export function createPlainEngine(options: EngineOptions, events: EngineEvents): Engine {
  const connections = createConnections();
  const passages = new WeakMap<Duplex, Passage>();
  const outer = newServer();
  // Never listens: the event that starts the checks of time limits is sent by hand.
  const inner = newServer();

  function onRequest(request: IncomingMessage, response: ServerResponse): void {
    response.once('close', connections.begin(request.socket));
    request.on('error', () => response.destroy());
    events.request(request, response, passages.get(request.socket));
  }

  function newServer(): http.Server {
    const server = http.createServer({
      headersTimeout: options.headersTimeoutMs,
      requestTimeout: 0,
      keepAliveTimeout: options.keepAliveTimeoutMs,
      connectionsCheckingInterval: options.checkIntervalMs,
      maxHeaderSize: 16 * 1024,
    });
    server.on('request', onRequest);
    server.on('checkContinue', (request, response) => {
      response.writeContinue();
      onRequest(request, response);
    });
    server.on('checkExpectation', (request, response) => {
      response.once('close', connections.begin(request.socket));
      events.expectation(request, response, passages.get(request.socket));
    });
    server.on('connect', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      connections.begin(socket);
      events.connect(request, socket as Socket, head, passages.get(socket));
    });
    server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      events.clientError(error, socket, connections.isBusy(socket));
    });
    return server;
  }

  outer.on('connection', (socket) => {
    connections.add(socket);
    events.connection(socket);
  });
  inner.on('upgrade', (request, socket, head) => {
    const passage = passages.get(socket);
    if (passage === undefined) {
      socket.destroy();
      return;
    }
    if (isCleartextHttp2(request)) {
      socket.unshift(Buffer.concat([headWithoutHttp2(request), head]));
      inner.emit('connection', socket);
      return;
    }
    connections.begin(socket);
    events.upgrade(request, socket, head, passage);
  });

  return {
    listen: () =>
      new Promise<AddressInfo>((resolve, reject) => {
        outer.once('error', reject);
        outer.listen({ host: options.host, port: options.port }, () => {
          inner.emit('listening');
          resolve(outer.address() as AddressInfo);
        });
      }),
    adopt: (secured, outerSocket, passage) => {
      connections.forget(outerSocket);
      connections.add(secured);
      passages.set(secured, passage);
      secured.on('error', () => secured.destroy());
      inner.emit('connection', secured);
    },
    get busy() {
      return connections.busy;
    },
    drain: () => {
      outer.close();
      connections.drain();
    },
    close: async () => {
      const closed = new Promise<void>((resolve) => outer.close(() => resolve()));
      inner.close();
      connections.destroyAll();
      await closed;
    },
  };
}
