import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { accepts, type Daemon, startDaemon } from '../../lab/daemon.js';
import { freePort } from '../ports.js';
import type { Certificates, PeerPlan, Site } from './peer.js';

const NEEDS = { nginx: 'nginx' };

/** The reference: the registry's own files over TLS, no proxy. */
export const plainNginx: PeerPlan = {
  name: 'nginx',
  title: 'nginx serving the file over TLS, no proxy',
  needs: NEEDS,
  start: async (site) => {
    const blobs = join(site.storage, 'docker/registry/v2/blobs/sha256');
    const { daemon, way } = await startNginx(site, 'nginx', [
      'default_type application/octet-stream;',
      'location ~ "^/v2/.+/(?:blobs|manifests)/sha256:(..)(.+)$" {',
      `  alias ${blobs}/$1/$1$2/data;`,
      '}',
    ]);
    return { name: 'nginx', pids: [daemon.pid], way, takesAuthorization: true, stop: ended(daemon) };
  },
};

/** A caching reverse proxy: what an interception made of nginx does inside of a tunnel. It verifies nothing. */
export const cachingNginx: PeerPlan = {
  name: 'nginx-cache',
  title: 'nginx proxy_cache over TLS, no CONNECT',
  needs: NEEDS,
  start: async (site) => {
    const { daemon, way } = await startCachingNginx(site, 'nginx-cache');
    return { name: 'nginx-cache', pids: [daemon.pid], way, takesAuthorization: true, stop: ended(daemon) };
  },
};

export async function startCachingNginx(site: Site, name: string) {
  const cache = join(site.folder, name, 'cache');
  return startNginx(
    site,
    name,
    [
      'location / {',
      '  proxy_pass https://registry;',
      '  proxy_http_version 1.1;',
      '  proxy_set_header Connection "";',
      '  proxy_set_header Host $http_host;',
      '  proxy_ssl_name localhost;',
      '  proxy_ssl_server_name on;',
      '  proxy_ssl_verify on;',
      `  proxy_ssl_trusted_certificate ${site.certificates.authority};`,
      '  proxy_cache content;',
      '  proxy_cache_key $uri;',
      '  proxy_cache_valid 200 60d;',
      '  proxy_cache_lock on;',
      '  proxy_cache_lock_timeout 880s;',
      '  proxy_cache_lock_age 880s;',
      '}',
      // A tag is asked for at the registry every time, as by entrepot.
      'location ~ ^/v2/.+/manifests/latest$ { proxy_pass https://registry; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host; }',
    ],
    [
      `proxy_cache_path ${cache} levels=1:2 keys_zone=content:10m max_size=50g inactive=60d use_temp_path=off;`,
      `upstream registry { server localhost:${site.upstreamPort}; keepalive 16; }`,
    ],
  );
}

/** Debian's nginx.conf with the paths of a temporary folder. */
async function startNginx(site: Site, name: string, server: readonly string[], http: readonly string[] = []) {
  const folder = join(site.folder, name);
  await mkdir(folder, { recursive: true });
  const port = await freePort();
  const file = join(folder, 'nginx.conf');
  await writeFile(file, configuration(folder, port, site.certificates, server, http));
  const daemon = await startDaemon('nginx', ['-c', file, '-p', folder, '-e', join(folder, 'error.log')], {
    logFile: join(folder, 'output.log'),
    ready: () => accepts('127.0.0.1', port),
  });
  const ca = await readFile(site.certificates.authority, 'utf8');
  return { daemon, port, way: { target: { host: 'localhost', port }, ca } };
}

function configuration(
  folder: string,
  port: number,
  { certificate, key }: Certificates,
  server: readonly string[],
  http: readonly string[],
): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return [
    'daemon off;',
    // Started as root it would become another user, who cannot read the folder.
    userInfo().uid === 0 ? 'user root;' : '',
    'worker_processes auto;',
    `pid ${folder}/nginx.pid;`,
    'events { worker_connections 4096; }',
    'http {',
    'sendfile on; tcp_nopush on; types_hash_max_size 2048;',
    `access_log ${folder}/access.log;`,
    ...temporary.map((kind) => `${kind}_temp_path ${folder}/${kind};`),
    ...http,
    'server {',
    `listen 127.0.0.1:${port} ssl;`,
    // As many requests on a connection as entrepot takes.
    'keepalive_requests 1000000;',
    `ssl_certificate ${certificate}; ssl_certificate_key ${key};`,
    'ssl_protocols TLSv1.2 TLSv1.3; ssl_prefer_server_ciphers on;',
    // The client names one cipher only; this allows it.
    'ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384;',
    ...server,
    '}',
    '}',
    '',
  ].join('\n');
}

function ended(daemon: Daemon): () => Promise<void> {
  return async () => void (await daemon.stop());
}
