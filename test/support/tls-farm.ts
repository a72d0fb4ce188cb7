import dns from 'node:dns';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { createSecureContext, type SecureContextOptions, TLSSocket, type TLSSocketOptions } from 'node:tls';
import { type RunningApp, startApp } from '../../src/app.js';
import { loadConfig } from '../../src/config/load.js';
import { type Authority, openAuthority } from '../../src/tls/authority.js';
import { type MadeCertificate, makeCertificate } from './made-certificate.js';
import { type ProxyAnswer, proxyGet } from './pull.js';
import { createTempDir } from './temp-dir.js';

/** How the server at the other end behaves from now on. */
export type Stand = SecureContextOptions &
  Pick<TLSSocketOptions, 'ALPNProtocols' | 'requestCert' | 'rejectUnauthorized'>;

/** A whole proxy, and behind it one server on loopback for all names below farm.test, whose TLS each test sets anew. */
export interface TlsFarm extends AsyncDisposable {
  /** A root that the proxy trusts. */
  readonly root: MadeCertificate;
  /** The proxy's own CA, which stands among the roots that it is told to trust. */
  readonly own: Authority;
  readonly app: RunningApp;
  readonly port: number;
  /** Requests that came through TLS. */
  readonly requests: readonly string[];
  /** Bytes that came through TLS: what an impostor would have got. */
  readonly bytes: number;
  readonly connections: number;
  /** Sets the TLS of connections to come, and forgets what came so far. */
  stand(how: Stand): void;
  /** Has connections to come handled by something else. */
  answerWith(handler: (socket: Socket) => void): void;
  /** Called for each TLS connection once it is secure. */
  onSecure: ((socket: TLSSocket) => void) | undefined;
  /** Asks for a path of a host through the proxy. */
  ask(host: string, path: string): Promise<ProxyAnswer>;
  /** Resolves when no connection that came since the TLS was set is open. */
  quiet(): Promise<void>;
}

export interface FarmOptions {
  /** The `registries` of the configuration file, as YAML without its key; made when root and own CA are there. */
  readonly registries?: (folder: string, farm: Pick<TlsFarm, 'root' | 'own'>) => Promise<string>;
  /** Further roots to trust. */
  readonly roots?: (farm: Pick<TlsFarm, 'root' | 'own'>) => readonly MadeCertificate[];
}

export async function startTlsFarm(options: FarmOptions = {}): Promise<TlsFarm> {
  const folder = await createTempDir();
  const own = await openAuthority(join(folder.path, 'ca'));
  const root = makeCertificate({ subject: 'farm root', authority: {} });
  const sockets = new Set<Socket>();
  /** Those that came since the TLS was set last. */
  let recent: Socket[] = [];
  const requests: string[] = [];
  let stand: Stand = {};
  let handler: ((socket: Socket) => void) | undefined;
  let bytes = 0;
  let connections = 0;
  let onSecure: ((socket: TLSSocket) => void) | undefined;

  function secure(raw: Socket): void {
    const { ALPNProtocols, requestCert, rejectUnauthorized, ...context } = stand;
    const socket = new TLSSocket(raw, {
      isServer: true,
      secureContext: createSecureContext(context),
      ...(ALPNProtocols && { ALPNProtocols }),
      ...(requestCert !== undefined && { requestCert }),
      ...(rejectUnauthorized !== undefined && { rejectUnauthorized }),
    });
    socket.on('error', () => socket.destroy());
    socket.on('secure', () => onSecure?.(socket));
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      const [line = ''] = chunk.toString('latin1').split('\r\n');
      requests.push(line);
      socket.write('HTTP/1.1 200 OK\r\nDocker-Distribution-Api-Version: registry/2.0\r\nContent-Length: 2\r\n\r\n{}');
    });
  }

  const server = createServer((raw) => {
    connections += 1;
    sockets.add(raw);
    recent.push(raw);
    raw.on('error', () => raw.destroy());
    raw.on('close', () => sockets.delete(raw));
    (handler ?? secure)(raw);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  const bundle = join(folder.path, 'roots.pem');
  const more = options.roots?.({ root, own }) ?? [];
  await writeFile(bundle, [root.pem, own.certificatePem, ...more.map((one) => one.pem)].join('\n'));
  const table = await options.registries?.(folder.path, { root, own });
  const config = join(folder.path, 'config.yaml');
  await writeFile(config, table ? `registries:\n${table}` : '');
  const app = await resolvingToLoopback(() =>
    startApp(
      loadConfig({
        flags: {
          config,
          listen: '127.0.0.1:0',
          'admin-listen': '127.0.0.1:0',
          'data-dir': join(folder.path, 'data'),
          'ca-dir': join(folder.path, 'ca'),
          intercept: `*.farm.test:${port},127.0.0.1:${port}`,
          'egress-allow': '127.0.0.1/32',
          'upstream-ca': bundle,
          drain: '0',
          'log-level': 'silent',
        },
        env: {},
        cwd: folder.path,
      }),
    ),
  );

  function setStand(how: Stand, other?: (socket: Socket) => void): void {
    stand = how;
    handler = other;
    onSecure = undefined;
    bytes = 0;
    connections = 0;
    recent = [];
    requests.length = 0;
  }

  const proxy = { host: app.proxy.host, port: app.proxy.port };
  return {
    root,
    own,
    app,
    port,
    requests,
    get bytes() {
      return bytes;
    },
    get connections() {
      return connections;
    },
    get onSecure() {
      return onSecure;
    },
    set onSecure(listener) {
      onSecure = listener;
    },
    stand: (how) => setStand(how),
    answerWith: (other) => setStand({}, other),
    ask: (host, path) => proxyGet({ proxy, ca: own.certificatePem, authority: `${host}:${port}`, path }),
    quiet: async () => {
      for (const socket of recent) if (!socket.closed) await once(socket, 'close');
    },
    [Symbol.asyncDispose]: async () => {
      await app.stop();
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
      await folder.remove();
    },
  };
}

/** Runs something while names of the farm resolve to 127.0.0.1; what takes hold of the resolver then keeps this one. */
async function resolvingToLoopback<T>(run: () => Promise<T>): Promise<T> {
  const before = dns.lookup;
  const stub = (name: string, ...rest: unknown[]): void => {
    const callback = rest.at(-1) as (error: null, found: object[]) => void;
    if (name.endsWith('.farm.test')) callback(null, [{ address: '127.0.0.1', family: 4 }]);
    else Reflect.apply(before, dns, [name, ...rest]);
  };
  dns.lookup = stub as unknown as typeof dns.lookup;
  try {
    return await run();
  } finally {
    dns.lookup = before;
  }
}
