/** Registries that are opened without being asked first: their names are enough. */
const NAMES: ReadonlySet<string> = new Set([
  'registry-1.docker.io',
  'index.docker.io',
  'docker.io',
  'ghcr.io',
  'quay.io',
  'registry.k8s.io',
  'k8s.gcr.io',
  'gcr.io',
  'mcr.microsoft.com',
  'public.ecr.aws',
  'registry.gitlab.com',
  'lscr.io',
  'nvcr.io',
  'registry.access.redhat.com',
  'registry.redhat.io',
  'registry.connect.redhat.com',
  'registry.fedoraproject.org',
  'registry.opensuse.org',
  'registry.suse.com',
  'cgr.dev',
  'xpkg.upbound.io',
  'container-registry.oracle.com',
  'docker.elastic.co',
]);

// One account or region, one name.
const FAMILIES: readonly RegExp[] = [
  /^[a-z0-9-]+\.gcr\.io$/,
  /^[a-z0-9-]+-docker\.pkg\.dev$/,
  /^\d{12}\.dkr\.ecr(?:-fips)?\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?$/,
  /^[a-z0-9-]+\.azurecr\.(?:io|cn|us)$/,
  /^[a-z0-9-]+\.ocir\.io$/,
  /^registry\.[a-z0-9-]+\.aliyuncs\.com$/,
];

/** True for a host that is known to be a container registry, on the port of HTTPS. */
export function isWellKnownRegistry(host: string, port: number): boolean {
  return port === 443 && (NAMES.has(host) || FAMILIES.some((family) => family.test(host)));
}
