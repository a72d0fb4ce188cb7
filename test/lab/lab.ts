import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import type { Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CdnFaults, startCdn } from './cdn.js';
import { type Certificates, makeCertificates, trust } from './certificates.js';
import { run } from './command.js';
import { type Fixtures, makeFixtures } from './fixtures.js';
import { startHubFront } from './hub-front.js';
import { blobsFolder, startRegistries } from './registries.js';
import { startTokenServer } from './token-server.js';
import { topology } from './topology.js';
import { parseAccessLog, type SeenRequest } from './upstream-log.js';

/** The upstreams of the lab, running, with their fixtures. */
export interface Lab {
  /** For everything a test wants to keep until the lab ends. */
  readonly folder: string;
  readonly certificates: Certificates;
  readonly fixtures: Fixtures;
  /** What the CDN is to do wrong. */
  readonly cdn: CdnFaults;
  /** What the upstreams were asked since they started, every answered request included. */
  seen(): Promise<SeenRequest[]>;
  /** Takes all upstreams away at once: the registries by their process ids, the token server and the CDN by their sockets. */
  kill(): Promise<void>;
  /** Brings them back. */
  revive(): Promise<void>;
  stop(): Promise<void>;
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

/** Starts everything; needs the namespaces of run.sh. */
export async function startLab(): Promise<Lab> {
  const folder = process.env['LAB_FOLDER'];
  if (folder === undefined) throw new Error('not inside the lab: start this through test/lab/run.sh');
  const [storage, images, upstreams] = ['storage', 'images', 'upstreams'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  for (const path of [storage, images, upstreams]) await mkdir(path, { recursive: true });

  const certificates = await makeCertificates(upstreams);
  await trust(certificates.authorityFile);
  const asked: SeenRequest[] = [];
  const cdn: CdnFaults = {};
  const registries = await startRegistries(upstreams, storage, certificates);
  const servers = [
    await startTokenServer(certificates, asked),
    await startHubFront(certificates, asked),
    await startCdn(certificates, blobsFolder(storage), asked, cdn),
  ];
  const addresses = servers.map((server) => server.address() as AddressInfo);
  const fixtures = await makeFixtures(images);

  async function logged(): Promise<SeenRequest[]> {
    return [
      ...asked,
      ...parseAccessLog('open', await registries.open.output()),
      ...parseAccessLog('htpasswd', await registries.htpasswd.output()),
    ];
  }

  /** A registry writes its line after the client has its answer: a marker sent last is waited for in each log. */
  async function seen(): Promise<SeenRequest[]> {
    const marker = `/v2/?marker=${randomUUID()}`;
    const places = ['hub', 'open', 'htpasswd'] as const;
    for (const place of places) {
      await run('curl', ['-s', '-o', '/dev/null', '--noproxy', '*', `https://${topology[place].names[0]}${marker}`]);
    }
    for (;;) {
      const requests = await logged();
      const marked = requests.filter((request) => request.path === marker);
      if (marked.length === places.length) return requests.filter(({ path }) => !path.startsWith('/v2/?marker='));
      await sleep(10);
    }
  }

  async function kill(): Promise<void> {
    await Promise.all([...servers.map(close), registries.kill()]);
  }

  async function revive(): Promise<void> {
    await registries.revive();
    for (const [i, server] of servers.entries()) {
      server.listen(addresses[i]?.port, addresses[i]?.address);
      await once(server, 'listening');
    }
  }

  async function stop(): Promise<void> {
    await Promise.all([...servers.map(close), registries.stop()]);
  }
  return { folder, certificates, fixtures, cdn, seen, kill, revive, stop };
}
