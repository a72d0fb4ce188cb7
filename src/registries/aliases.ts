import { formatAuthority } from '../net/authority.js';

/** Docker Hub's hosts. They serve the same repositories, and people know the registry by the first name. */
const DOCKER_HUB_HOSTS = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io']);
const DOCKER_HUB = 'docker.io';
const HTTPS_PORT = 443;

/**
 * The one name of a registry, for links, grants, credentials and labels: `docker.io` for all of Docker Hub's hosts,
 * otherwise the host, with its port where that is not 443, and behind `http://` where it is spoken to without TLS. Two
 * names are two registries, whoever may run them (threats G08).
 * @param host canonical: lower case, no trailing dot, IPv6 without brackets
 */
export function canonicalRegistry(host: string, port: number, scheme: 'http' | 'https'): string {
  if (scheme === 'http') return `http://${formatAuthority(host, port)}`;
  if (port === HTTPS_PORT && DOCKER_HUB_HOSTS.has(host)) return DOCKER_HUB;
  return formatAuthority(host, port, HTTPS_PORT);
}
