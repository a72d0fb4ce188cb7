import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { accepts, startDaemon } from '../lab/daemon.js';
import { parseAccessLog, type SeenRequest } from '../lab/upstream-log.js';
import type { Certificates } from './peers/peer.js';
import { freePort } from './ports.js';

/** The registry behind all peers: a docker-registry over TLS, open to everybody. */
export interface Upstream {
  readonly port: number;
  readonly pid: number;
  /** What it has been asked since its start. */
  seen(): Promise<readonly SeenRequest[]>;
  stop(): Promise<void>;
}

export async function startUpstream(folder: string, storage: string, certificates: Certificates): Promise<Upstream> {
  const port = await freePort();
  const file = join(folder, 'upstream.json');
  const configuration = {
    version: 0.1,
    log: { level: 'error', accesslog: { disabled: false } },
    storage: { filesystem: { rootdirectory: storage, maxthreads: 100 } },
    http: { addr: `localhost:${port}`, tls: { certificate: certificates.certificate, key: certificates.key } },
  };
  await writeFile(file, JSON.stringify(configuration));
  const daemon = await startDaemon('docker-registry', ['serve', file], {
    logFile: join(folder, 'upstream.log'),
    ready: () => accepts('127.0.0.1', port),
  });
  return {
    port,
    pid: daemon.pid,
    seen: async () => parseAccessLog('open', await daemon.output()),
    stop: async () => void (await daemon.stop()),
  };
}
