/** Where the lab's upstreams listen, and under which names clients know them. All speak TLS on port 443. */
export const topology = {
  hub: { address: '127.0.0.11', names: ['registry-1.docker.io', 'index.docker.io', 'docker.io'] },
  token: { address: '127.0.0.12', names: ['auth.docker.io'] },
  cdn: { address: '127.0.0.13', names: ['production.cloudflare.docker.com'] },
  open: { address: '127.0.0.14', names: ['quay.io', 'ghcr.io', 'registry.k8s.io'] },
  htpasswd: { address: '127.0.0.15', names: ['registry.test'] },
  /** Nothing listens here until a test does. */
  evil: { address: '127.0.0.16', names: ['evil.test'] },
} as const;

/** Plain HTTP, for pushing fixtures, on the storage that all the lab's registries share. */
export const pushAddress = '127.0.0.1:5000';

/** The registry behind the Hub front: plain HTTP, token authentication. */
export const hubBackend = { host: '127.0.0.1', port: 5001 };

/** The one account of the htpasswd registry, and the one that the token server lets into `private/`. */
export const account = { username: 'alice', password: 'secret' };

/** The token server's other account, which has no rights in `private/`. */
export const otherAccount = { username: 'bob', password: 'builder' };

/** The text of a hosts file for this topology. */
export function hostsFile(): string {
  const lines = Object.values(topology).map(({ address, names }) => `${address} ${names.join(' ')}`);
  return ['127.0.0.1 localhost', '::1 localhost', ...lines, ''].join('\n');
}
