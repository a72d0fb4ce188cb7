import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Target } from '../../src/http/exchange.js';
import { parseRanges } from '../../src/net/address-ranges.js';
import { createEgressGuard, type EgressGuard } from '../../src/net/egress-guard.js';
import { createUpstreamClient } from '../../src/upstream/client.js';
import type { UpstreamClient } from '../../src/upstream/contract.js';
import { createOwnAuthority } from '../../src/upstream/own-authority.js';
import type { UpstreamTimeouts } from '../../src/upstream/timeouts.js';
import { type Trust, upstreamContext } from '../../src/upstream/trust.js';
import { createTestAuthority, type TestCertificate } from '../support/test-certificates.js';

/** The CA that tests trust. */
export const authority = createTestAuthority();

const TIMEOUTS: UpstreamTimeouts = { connectMs: 5000, headMs: 5000, idleMs: 5000 };

/** A guard that lets tests connect to loopback; names of `.test` resolve to 127.0.0.1. */
export function loopbackGuard(allow: readonly string[] = ['127.0.0.0/8', '::1/128']): EgressGuard {
  const resolve = ((_name: string, _options: object, callback: (error: null, addresses: object[]) => void) => {
    callback(null, [{ address: '127.0.0.1', family: 4 }]);
  }) as unknown as NonNullable<Parameters<typeof createEgressGuard>[0]['resolve']>;
  return createEgressGuard({ allow: parseRanges(allow), deny: parseRanges([]), ownListeners: () => [], resolve });
}

export function testTrust(root = authority.certificatePem): Trust {
  const everywhere = { context: upstreamContext([root]), insecure: false };
  return { roots: 1, ownAuthority: createOwnAuthority(() => []), forHost: () => everywhere };
}

export function testClient(timeouts: Partial<UpstreamTimeouts> = {}): UpstreamClient {
  return createUpstreamClient({ guard: loopbackGuard(), trust: testTrust() }, { ...TIMEOUTS, ...timeouts });
}

export interface Server {
  readonly port: number;
  /** `METHOD path` of what has arrived. */
  readonly seen: readonly http.IncomingMessage[];
  readonly connections: number;
  readonly target: (scheme?: Target['scheme'], host?: string) => Target;
  readonly close: () => Promise<void>;
}

export async function serve(handler: http.RequestListener, certificate?: TestCertificate): Promise<Server> {
  const sockets = new Set<Socket>();
  const seen: http.IncomingMessage[] = [];
  let connections = 0;
  function listener(request: http.IncomingMessage, response: http.ServerResponse): void {
    seen.push(request);
    handler(request, response);
  }
  const server = certificate
    ? https.createServer({ cert: certificate.certificatePem, key: certificate.keyPem }, listener)
    : http.createServer(listener);
  server.on('connection', (socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  });
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    seen,
    get connections() {
      return connections;
    },
    target: (scheme = certificate ? 'https' : 'http', host = '127.0.0.1') => ({ scheme, host, port }),
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

export async function textOf(body: AsyncIterable<unknown>): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of body) pieces.push(piece as Buffer);
  return Buffer.concat(pieces).toString('latin1');
}
