import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { accepts, startDaemon } from '../../lab/daemon.js';
import { freePort } from '../ports.js';
import type { PeerPlan } from './peer.js';

/** docker-registry in proxy mode: a mirror of one registry, reached by its own name. */
export const mirror: PeerPlan = {
  name: 'mirror',
  title: 'docker-registry in proxy mode (a mirror, no CONNECT)',
  needs: { 'docker-registry': 'docker-registry' },
  start: async (site) => {
    const folder = join(site.folder, 'mirror');
    await mkdir(folder, { recursive: true });
    const port = await freePort();
    const file = join(folder, 'mirror.json');
    const { certificate, key, authority } = site.certificates;
    const configuration = {
      version: 0.1,
      log: { level: 'error', accesslog: { disabled: false } },
      storage: { filesystem: { rootdirectory: join(folder, 'storage'), maxthreads: 100 } },
      http: { addr: `localhost:${port}`, tls: { certificate, key } },
      proxy: { remoteurl: `https://localhost:${site.upstreamPort}` },
    };
    await writeFile(file, JSON.stringify(configuration));
    const daemon = await startDaemon('docker-registry', ['serve', file], {
      logFile: join(folder, 'output.log'),
      env: { SSL_CERT_FILE: authority },
      ready: () => accepts('127.0.0.1', port),
    });
    const ca = await readFile(authority, 'utf8');
    return {
      name: 'mirror',
      pids: [daemon.pid],
      way: { target: { host: 'localhost', port }, ca },
      takesAuthorization: true,
      stop: async () => void (await daemon.stop()),
    };
  },
};

/** The registry itself: what a pull costs without anything in between. */
export const direct: PeerPlan = {
  name: 'direct',
  title: 'no proxy: the registry itself',
  needs: {},
  start: async (site) => ({
    name: 'direct',
    pids: [],
    way: {
      target: { host: 'localhost', port: site.upstreamPort },
      ca: await readFile(site.certificates.authority, 'utf8'),
    },
    takesAuthorization: true,
    stop: () => Promise.resolve(),
  }),
};
