import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Certificates } from './certificates.js';
import { run } from './command.js';
import { accepts, type Daemon, startDaemon } from './daemon.js';
import { account, hubBackend, pushAddress, topology } from './topology.js';

export interface Registries {
  readonly open: Daemon;
  readonly htpasswd: Daemon;
  /** Kills them all, as a crash would. */
  kill(): Promise<void>;
  /** Starts again what was killed. */
  revive(): Promise<void>;
  stop(): Promise<void>;
}

interface RegistryPlan {
  readonly address: string;
  readonly tls?: Certificates;
  readonly auth?: object;
}

/** The folder below the storage in which a registry keeps blobs as `sha256/<2 hex>/<hex>/data`. */
export function blobsFolder(storage: string): string {
  return join(storage, 'docker', 'registry', 'v2', 'blobs');
}

/** Starts the real registries, all on one storage. The configuration is JSON, which is YAML too. */
export async function startRegistries(
  folder: string,
  storage: string,
  certificates: Certificates,
): Promise<Registries> {
  const plans = new Map<string, RegistryPlan>();
  const started = new Map<string, Daemon>();

  async function start(name: string, plan: RegistryPlan): Promise<Daemon> {
    const tls = plan.tls && { certificate: plan.tls.serverCertificateFile, key: plan.tls.serverKeyFile };
    const configuration = {
      version: 0.1,
      log: { level: 'warn', accesslog: { disabled: false } },
      storage: { filesystem: { rootdirectory: storage }, delete: { enabled: true } },
      http: { addr: plan.address, relativeurls: true, ...(tls ? { tls } : {}) },
      ...(plan.auth ? { auth: plan.auth } : {}),
    };
    const file = join(folder, `${name}.json`);
    await writeFile(file, JSON.stringify(configuration));
    const [host = '', port = ''] = plan.address.split(':');
    const daemon = await startDaemon('docker-registry', ['serve', file], {
      logFile: join(folder, `${name}.log`),
      ready: () => accepts(host, Number(port)),
    });
    plans.set(name, plan);
    started.set(name, daemon);
    return daemon;
  }

  const passwords = join(folder, 'htpasswd');
  await run('htpasswd', ['-Bbc', passwords, account.username, account.password]);
  const token = {
    realm: `https://${topology.token.names[0]}/token`,
    service: 'registry.docker.io',
    issuer: 'auth.docker.io',
    rootcertbundle: certificates.tokenCertificateFile,
  };
  await start('push', { address: pushAddress });
  await start('hub', { address: `${hubBackend.host}:${hubBackend.port}`, auth: { token } });
  const open = await start('open', { address: `${topology.open.address}:443`, tls: certificates });
  const htpasswd = await start('htpasswd', {
    address: `${topology.htpasswd.address}:443`,
    tls: certificates,
    auth: { htpasswd: { realm: 'registry.test', path: passwords } },
  });

  async function stop(): Promise<void> {
    await Promise.all([...started.values()].map((daemon) => daemon.stop()));
  }

  async function kill(): Promise<void> {
    await Promise.all([...started.values()].map((daemon) => daemon.stop('SIGKILL')));
  }

  async function revive(): Promise<void> {
    for (const [name, plan] of plans) await start(name, plan);
  }
  return { open, htpasswd, kill, revive, stop };
}
