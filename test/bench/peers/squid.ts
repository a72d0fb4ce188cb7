import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { run } from '../../lab/command.js';
import { accepts, startDaemon } from '../../lab/daemon.js';
import { freePort } from '../ports.js';
import type { PeerPlan } from './peer.js';

const HELPERS = '/usr/lib/squid';
const SQUID_USER = 'proxy';
const IS_ROOT = userInfo().uid === 0;

/** Squid that opens TLS, with a store-id helper that names blobs by their digest. */
export const squid: PeerPlan = {
  name: 'squid',
  title: 'squid ssl-bump with a store-id helper',
  needs: { squid: 'squid-openssl' },
  start: async (site) => {
    const folder = join(site.folder, 'squid');
    await mkdir(folder, { recursive: true });
    const port = await freePort();
    // Names its shared memory, which another squid of this machine has, too.
    const service = `bench${process.pid}`;
    const file = join(folder, 'squid.conf');
    await writeFile(
      join(folder, 'store-id'),
      '^https:\\/\\/.*\\/blobs\\/(sha256:[0-9a-f]+)\thttp://blob.squid.internal/$1\n',
    );
    await copyFile(site.certificates.authority, join(folder, 'authority.crt'));
    await copyFile(site.certificates.authorityKey, join(folder, 'authority.key'));
    await writeFile(file, configuration(folder, port));
    const database = join(folder, 'certificates');
    if (!existsSync(database)) await run(`${HELPERS}/security_file_certgen`, ['-c', '-s', database, '-M', '16MB']);
    if (IS_ROOT) await giveAway(site.folder, folder);
    if (!existsSync(join(folder, 'cache'))) await run('squid', ['-n', service, '-N', '-z', '-f', file]);
    const daemon = await startDaemon('squid', ['-n', service, '-N', '-f', file], {
      logFile: join(folder, 'output.log'),
      ready: () => accepts('127.0.0.1', port),
    });
    return {
      name: 'squid',
      pids: [daemon.pid],
      way: {
        target: { host: 'localhost', port: site.upstreamPort },
        ca: await readFile(site.certificates.authority, 'utf8'),
        proxyPort: port,
      },
      // An answer to a request with Authorization is not cached unless it says `public`, and registries don't.
      takesAuthorization: false,
      stop: async () => void (await daemon.stop()),
    };
  },
};

/** Squid doesn't run as root; Debian has a user for it. */
async function giveAway(site: string, folder: string): Promise<void> {
  await chmod(site, 0o711);
  await run('chown', ['-R', SQUID_USER, folder]);
}

function configuration(folder: string, port: number): string {
  const authority = `tls-cert=${folder}/authority.crt tls-key=${folder}/authority.key`;
  const lines = [
    `http_port 127.0.0.1:${port} ssl-bump generate-host-certificates=on dynamic_cert_mem_cache_size=16MB ${authority}`,
    `sslcrtd_program ${HELPERS}/security_file_certgen -s ${folder}/certificates -M 16MB`,
    `store_id_program ${HELPERS}/storeid_file_rewrite ${folder}/store-id`,
    'ssl_bump bump all',
    `tls_outgoing_options cafile=${folder}/authority.crt`,
    'http_access allow localhost',
    'http_access deny all',
    'maximum_object_size 4 GB',
    `cache_dir ufs ${folder}/cache 20000 16 256`,
    `access_log stdio:${folder}/access.log`,
    `cache_log ${folder}/cache.log`,
    `pid_filename ${folder}/squid.pid`,
    `coredump_dir ${folder}`,
    'visible_hostname localhost',
    'shutdown_lifetime 0 seconds',
    ...(IS_ROOT ? [`cache_effective_user ${SQUID_USER}`] : []),
  ];
  return `${lines.join('\n')}\n`;
}
