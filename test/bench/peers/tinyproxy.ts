import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { accepts, startDaemon } from '../../lab/daemon.js';
import { freePort } from '../ports.js';
import { startCachingNginx } from './nginx.js';
import type { PeerPlan, Site } from './peer.js';

/** CONNECT answered by tinyproxy, and TLS ended by nginx behind it: the usual interception made of nginx. */
export const nginxMitm: PeerPlan = {
  name: 'nginx-mitm',
  title: 'nginx MITM: CONNECT relay and proxy_cache',
  needs: { nginx: 'nginx', tinyproxy: 'tinyproxy-bin' },
  start: async (site) => {
    const nginx = await startCachingNginx(site, 'nginx-mitm');
    const relay = await startTinyproxy(site, 'nginx-mitm-relay');
    return {
      name: 'nginx-mitm',
      pids: [nginx.daemon.pid, relay.daemon.pid],
      way: { ...nginx.way, proxyPort: relay.port },
      takesAuthorization: true,
      stop: async () => {
        await relay.daemon.stop();
        await nginx.daemon.stop();
      },
    };
  },
};

/** A tunnel that looks into nothing. */
export const plainTunnel: PeerPlan = {
  name: 'tunnel',
  title: 'plain CONNECT tunnel (tinyproxy)',
  needs: { tinyproxy: 'tinyproxy-bin' },
  start: async (site) => {
    const { daemon, port } = await startTinyproxy(site, 'tunnel');
    return {
      name: 'tunnel',
      pids: [daemon.pid],
      way: {
        target: { host: 'localhost', port: site.upstreamPort },
        ca: await readFile(site.certificates.authority, 'utf8'),
        proxyPort: port,
      },
      takesAuthorization: true,
      stop: async () => void (await daemon.stop()),
    };
  },
};

async function startTinyproxy(site: Site, name: string) {
  const folder = join(site.folder, name);
  await mkdir(folder, { recursive: true });
  const port = await freePort();
  const file = join(folder, 'tinyproxy.conf');
  const lines = [
    `Port ${port}`,
    'Listen 127.0.0.1',
    'Timeout 600',
    'MaxClients 1000',
    'Allow 127.0.0.1',
    'LogLevel Connect',
    `LogFile "${folder}/tinyproxy.log"`,
    `PidFile "${folder}/tinyproxy.pid"`,
  ];
  await writeFile(file, `${lines.join('\n')}\n`);
  const daemon = await startDaemon('tinyproxy', ['-d', '-c', file], {
    logFile: join(folder, 'output.log'),
    ready: () => accepts('127.0.0.1', port),
  });
  return { daemon, port };
}
