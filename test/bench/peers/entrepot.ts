import { mkdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { accepts, type Daemon, startDaemon } from '../../lab/daemon.js';
import { freePort } from '../ports.js';
import type { Peer, PeerName, PeerPlan, Site } from './peer.js';

const MAIN = fileURLToPath(new URL('../../../dist/main.js', import.meta.url));

export interface RunningEntrepot {
  readonly daemon: Daemon;
  readonly port: number;
  /** From the start of the process until its port takes connections. */
  readonly readyMs: number;
}

/** The built program, as its users start it, logging every exchange. */
export const entrepot: PeerPlan = {
  name: 'entrepot',
  title: 'entrepot',
  needs: {},
  start: async (site) => {
    const { daemon, port } = await startEntrepot(site, 'entrepot');
    return peerOf(site, 'entrepot', daemon, port);
  },
};

/** Another build of the program, to see what a change gave; `folder` is that of its `main.js`. */
export function entrepotBefore(folder: string): PeerPlan {
  return {
    name: 'entrepot-before',
    title: 'entrepot, the other build',
    needs: {},
    start: async (site) => {
      const { daemon, port } = await startEntrepot(
        site,
        'entrepot-before',
        [],
        'entrepot-ca',
        resolve(folder, 'main.js'),
      );
      return peerOf(site, 'entrepot-before', daemon, port);
    },
  };
}

/** The program with a folder of its own below the site's; `caName` names the folder of its CA, `nodeFlags` go to Node. */
export async function startEntrepot(
  site: Site,
  name: string,
  flags: readonly string[] = [],
  caName = 'entrepot-ca',
  main = MAIN,
  nodeFlags: readonly string[] = [],
): Promise<RunningEntrepot> {
  const folder = join(site.folder, name);
  await mkdir(folder, { recursive: true });
  const port = await freePort();
  const profile = process.env['BENCH_PROFILE'];
  const args = [
    ...(profile === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', profile]),
    ...nodeFlags,
    main,
    'serve',
    ...['--listen', `127.0.0.1:${port}`],
    ...(flags.includes('--admin-listen') ? [] : ['--admin-listen', 'off']),
    ...['--data-dir', join(folder, 'data')],
    ...['--ca-dir', join(site.folder, caName)],
    ...['--upstream-ca', site.certificates.authority],
    ...['--egress-allow', '127.0.0.0/8,::1/128'],
    ...['--intercept', `auto,localhost:${site.upstreamPort},*.bench.test:443`],
    ...['--access', 'check'],
    ...['--log-level', 'info'],
    ...['--log-format', 'json'],
    ...['--drain', '1s'],
    ...flags,
  ];
  const startedAt = performance.now();
  const daemon = await startDaemon(process.execPath, args, {
    logFile: '/dev/null',
    // As `npm start` sets it.
    env: { UV_THREADPOOL_SIZE: process.env['UV_THREADPOOL_SIZE'] ?? '16' },
    ready: () => accepts('127.0.0.1', port),
    everyMs: 5,
  });
  const readyMs = performance.now() - startedAt;
  site.onStarted(() => daemon.stop());
  return { daemon, port, readyMs };
}

/** The same, told not to look into what passes. */
export const entrepotTunnel: PeerPlan = {
  name: 'entrepot-tunnel',
  title: 'entrepot, blind tunnel',
  needs: {},
  start: async (site) => {
    const flags = ['--tunnel', `localhost:${site.upstreamPort}`];
    const { daemon, port } = await startEntrepot(site, 'entrepot-tunnel', flags);
    const peer = await peerOf(site, 'entrepot-tunnel', daemon, port);
    return { ...peer, way: { ...peer.way, ca: await readFile(site.certificates.authority, 'utf8') } };
  },
};

export async function peerOf(site: Site, name: PeerName, daemon: Daemon, port: number): Promise<Peer> {
  return {
    name,
    pids: [daemon.pid],
    way: {
      proxyPort: port,
      target: { host: 'localhost', port: site.upstreamPort },
      ca: await readFile(join(site.folder, 'entrepot-ca', 'ca.crt'), 'utf8'),
    },
    takesAuthorization: true,
    stop: async () => void (await daemon.stop()),
  };
}
