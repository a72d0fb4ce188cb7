import { once } from 'node:events';
import fs from 'node:fs/promises';
import net, { type AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { LIMITS } from '../../src/config/limits.js';
import type { Exchange } from '../../src/http/exchange.js';
import { parseRanges } from '../../src/net/address-ranges.js';
import { createEgressGuard, type EgressGuard } from '../../src/net/egress-guard.js';
import { createProxyListener, type ProxyListener, type ProxyListenerOptions } from '../../src/proxy/listener.js';
import { createHostPolicy } from '../../src/proxy/verdict.js';
import { openAuthority } from '../../src/tls/authority.js';
import { createLeafStore } from '../../src/tls/leaf-store.js';

/** A guard under which every name is loopback and loopback may be reached. */
export function loopbackGuard(): EgressGuard {
  return createEgressGuard({
    allow: parseRanges(['127.0.0.0/8', '::1']),
    deny: parseRanges([]),
    ownListeners: () => [],
    resolve: ((_name: string, _options: unknown, callback: (error: null, addresses: unknown) => void) =>
      callback(null, [{ address: '127.0.0.1', family: 4 }])) as never,
  });
}

export interface TestDoor {
  readonly listener: ProxyListener;
  readonly port: number;
  /** The CA that the door's certificates come from, PEM. */
  readonly ca: string;
  /** The exchanges that the handler got. */
  readonly exchanges: Exchange[];
  /** What the events told, one line each. */
  readonly told: string[];
  close(): Promise<void>;
}

export const TEST_LIMITS = { ...LIMITS, connections: { perClient: 256, total: 4_096 } };

/** A promise that is kept when it is told to. */
export function later(): { promise: Promise<void>; tell: () => void } {
  const waiting: (() => void)[] = [];
  const promise = new Promise<void>((resolve) => {
    waiting.push(resolve);
  });
  return { promise, tell: () => waiting[0]?.() };
}

/** Answers with a line that says what was asked. */
export async function echo(exchange: Exchange): Promise<void> {
  const { target, request, reply } = exchange;
  let length = 0;
  for await (const bytes of request.body) length += (bytes as Buffer).length;
  const text = `${request.method} ${target.scheme}://${target.host}:${target.port}${request.path} ${length}\n`;
  reply.head(200, ['Content-Type', 'text/plain', 'Content-Length', String(text.length)]);
  await reply.write(Buffer.from(text));
  await reply.end();
}

/** Starts a door on loopback that opens every host and answers by `echo`. */
export async function startDoor(changes: Partial<ProxyListenerOptions> = {}): Promise<TestDoor> {
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'entrepot-door-'));
  const authority = await openAuthority(path.join(folder, 'ca'));
  const exchanges: Exchange[] = [];
  const told: string[] = [];
  const { handler = echo, ...others } = changes;
  const listener = createProxyListener({
    host: '127.0.0.1',
    port: 0,
    allowClients: parseRanges(['127.0.0.0/8']),
    limits: TEST_LIMITS,
    policy: createHostPolicy({ intercept: ['all'], tunnel: [], deny: [], connectPorts: [443] }),
    probe: { verdictFor: async () => 'unknown', learn: () => undefined, close: () => undefined },
    guard: loopbackGuard(),
    leaves: createLeafStore(authority),
    handler: async (exchange) => {
      exchanges.push(exchange);
      await handler(exchange);
    },
    dialUpstream: async () => {
      throw new Error('no upstream in this test');
    },
    events: {
      onTunnelOpen: (host, port) => told.push(`tunnel ${host}:${port}`),
      onTunnelClose: (host, port, bytes) => told.push(`closed ${host}:${port} ${bytes.received}/${bytes.sent}`),
      onUpgradeEnd: (host, port, status, bytes) =>
        told.push(`upgrade ${host}:${port} ${status} ${bytes.received}/${bytes.sent}`),
      onRefused: (code, message) => told.push(`refused ${code} ${message}`),
      onClientTlsError: (host, fault) => told.push(`tls ${host} ${fault}`),
      onHandlerFault: (error, id) => told.push(`fault ${String(error)} ${id}`),
      onFirstIntercept: (host, port, why) => told.push(`opened ${host}:${port} ${why}`),
    },
    ...others,
  });
  const { port } = await listener.listen().catch(async (error: unknown) => {
    await fs.rm(folder, { recursive: true });
    throw error;
  });
  return {
    listener,
    port,
    ca: authority.certificatePem,
    exchanges,
    told,
    close: async () => {
      await listener.close({ drainMs: 0 });
      await fs.rm(folder, { recursive: true });
    },
  };
}

export interface TestUpstream {
  readonly port: number;
  readonly sockets: net.Socket[];
  close(): Promise<void>;
}

/** A TCP server on loopback. */
export async function startUpstream(onSocket: (socket: net.Socket) => void): Promise<TestUpstream> {
  const sockets: net.Socket[] = [];
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    onSocket(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    sockets,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
