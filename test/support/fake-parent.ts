import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import net, { type AddressInfo, type Socket } from 'node:net';
import { pipeline } from 'node:stream';
import { breakOff } from '../../src/net/break-off.js';
import type { ParentAddress } from '../../src/net/parent-address.js';
import type { TestCertificate } from './test-certificates.js';

/** A plain forward proxy on loopback that takes every name for 127.0.0.1. */
export interface FakeParent extends AsyncDisposable {
  readonly address: ParentAddress;
  /** `METHOD target` of what came, in order. */
  readonly seen: readonly string[];
  /** Names and values of the headers of what came. */
  readonly headers: readonly http.IncomingHttpHeaders[];
  /** Answers everything with this status from now on; undefined for doing its work. */
  refuse(status: number | undefined): void;
  /** Cuts every connection and gives the port back, as a kill would. */
  kill(): Promise<void>;
  /** Listens again where it did. */
  revive(): Promise<void>;
}

export async function startFakeParent(options: { readonly certificate?: TestCertificate } = {}): Promise<FakeParent> {
  const { certificate } = options;
  const seen: string[] = [];
  const headers: http.IncomingHttpHeaders[] = [];
  const sockets = new Set<Socket>();
  let refused: number | undefined;
  const server = certificate
    ? https.createServer({ cert: certificate.certificatePem, key: certificate.keyPem })
    : http.createServer();

  function track(socket: Socket): void {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
  }

  function note(request: http.IncomingMessage): void {
    seen.push(`${request.method} ${request.url}`);
    headers.push(request.headers);
  }

  server.on('connection', track);
  server.on('tlsClientError', () => undefined);
  server.on('connect', (request: http.IncomingMessage, socket: Socket, head: Buffer) => {
    note(request);
    socket.on('error', () => socket.destroy());
    if (refused !== undefined) return void socket.end(`HTTP/1.1 ${refused} No\r\nContent-Length: 0\r\n\r\n`);
    const upstream = net.connect(Number(request.url?.split(':').at(-1)), '127.0.0.1');
    track(upstream);
    upstream.once('error', () => socket.end('HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n'));
    upstream.once('connect', () => {
      // A client that has gone meanwhile cannot be piped to.
      if (socket.destroyed) return void upstream.destroy();
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      upstream.write(head);
      return void pipeline(socket, upstream, socket, () => undefined);
    });
    return undefined;
  });
  server.on('request', (request: http.IncomingMessage, response: http.ServerResponse) => {
    note(request);
    if (refused !== undefined) return void response.writeHead(refused).end();
    const url = new URL(request.url ?? '');
    const upstream = http.request(
      { host: '127.0.0.1', port: url.port, path: url.pathname, method: request.method, headers: request.headers },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      },
    );
    upstream.on('error', () => response.writeHead(502).end());
    request.pipe(upstream);
    return undefined;
  });

  async function listen(port: number): Promise<void> {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  }

  async function kill(): Promise<void> {
    if (!server.listening) return;
    for (const socket of sockets) breakOff(socket);
    server.close();
    await once(server, 'close');
  }

  await listen(0);
  const { port } = server.address() as AddressInfo;
  return {
    address: { scheme: certificate ? 'https' : 'http', host: '127.0.0.1', port },
    seen,
    headers,
    refuse: (status) => {
      refused = status;
    },
    kill,
    revive: () => listen(port),
    [Symbol.asyncDispose]: kill,
  };
}
