import { ConfigError, ProxyError } from '../errors.js';
import { parseAuthority } from '../net/authority.js';
import { type Digest, parseDigest } from '../oci/digest.js';
import { canonicalRegistry } from '../registries/aliases.js';

/** Registry and repository; together the scope that facts belong to. */
export interface RepositoryName {
  readonly registry: string;
  /** With `?ns=` and the namespace, where a mirror serves several registries. */
  readonly repository: string;
}

export interface ImageName extends RepositoryName {
  readonly tag?: string;
  readonly digest?: Digest;
}

/** What a name on a command line means. */
export type Named =
  | { readonly kind: 'digest'; readonly digest: Digest }
  | { readonly kind: 'image'; readonly image: ImageName }
  | { readonly kind: 'repository'; readonly repository: RepositoryName }
  | { readonly kind: 'registry'; readonly registry: string };

const MAX_NAME_LENGTH = 1_000;
const HTTP = 'http://';
const REPOSITORY = /^[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:\/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*(?:\?ns=[A-Za-z0-9._~%:[\]-]+)?$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
/** Nobody means the tag of an image named sha256. */
const DIGEST_LIKE = /^sha(?:256|512):/;
const EXAMPLES =
  'write docker.io/library/alpine:3.20, docker.io/library/alpine, a registry with a slash behind it, as in docker.io/, or a digest';

/** The word that facts of a repository begin with. */
export function scopeOf({ registry, repository }: RepositoryName): string {
  return `${registry} ${repository}`;
}

/** The repository of a scope; undefined for what is none, since facts come from a file that may be damaged. */
export function repositoryOf(scope: string): RepositoryName | undefined {
  const at = scope.indexOf(' ');
  if (at <= 0 || at === scope.length - 1) return undefined;
  return { registry: scope.slice(0, at), repository: scope.slice(at + 1) };
}

export function formatRepository({ registry, repository }: RepositoryName): string {
  return `${registry}/${repository}`;
}

export function formatImage(name: ImageName): string {
  const behind = name.tag === undefined ? `@${name.digest}` : `:${name.tag}`;
  return formatRepository(name) + behind;
}

/**
 * Reads a name as people write it. Without a registry in front it is one of Docker Hub, as docker has it: `alpine:3.20`
 * is `docker.io/library/alpine:3.20`. A name without a tag is a repository; one that ends in a slash, or is a host name
 * with a dot and nothing else, is a registry.
 * @throws ConfigError
 */
export function parseName(text: string): Named {
  if (text === '' || text.length > MAX_NAME_LENGTH) throw badName(text);
  const digest = parseDigest(text);
  if (digest !== undefined) return { kind: 'digest', digest };
  if (DIGEST_LIKE.test(text)) throw notWhole(text);
  const scheme = text.startsWith(HTTP) ? 'http' : 'https';
  const rest = scheme === 'http' ? text.slice(HTTP.length) : text;
  const slash = rest.indexOf('/');
  const first = slash === -1 ? rest : rest.slice(0, slash);
  const tail = slash === -1 ? '' : rest.slice(slash + 1);
  if (tail === '' && (slash !== -1 || isHostAlone(first))) {
    return { kind: 'registry', registry: registryOf(text, first, scheme) };
  }
  const hasHost = scheme === 'http' || (slash !== -1 && (/[.:]/.test(first) || first === 'localhost'));
  const registry = hasHost ? registryOf(text, first, scheme) : 'docker.io';
  return readPath(text, registry, hasHost ? tail : rest);
}

/** As `parseName`, for what has to be an image. @throws ConfigError */
export function parseImage(text: string): ImageName {
  const named = parseName(text);
  if (named.kind === 'image') return named.image;
  throw new ConfigError([
    `${JSON.stringify(text)} names no single image; write a tag or a digest too, as in alpine:3.20.`,
  ]);
}

/** As `parseName`, for what has to be a repository. @throws ConfigError */
export function parseRepository(text: string): RepositoryName {
  const named = parseName(text);
  if (named.kind === 'repository') return named.repository;
  throw new ConfigError([`${JSON.stringify(text)} is no repository; write one as in docker.io/library/alpine.`]);
}

/** The one name of a registry. @throws ConfigError */
export function parseRegistry(text: string): string {
  const named = parseName(text.endsWith('/') ? text : `${text}/`);
  if (named.kind === 'registry') return named.registry;
  throw new ConfigError([`${JSON.stringify(text)} is no registry; write one as in docker.io or registry.test:5000.`]);
}

/** `docker.io`, but not `alpine:3.20`. */
function isHostAlone(text: string): boolean {
  const [host = '', port] = text.split(':');
  return (host.includes('.') || host === 'localhost') && (port === undefined || /^\d+$/.test(port));
}

function registryOf(text: string, authority: string, scheme: 'http' | 'https'): string {
  try {
    const { host, port } = parseAuthority(authority, scheme === 'http' ? 80 : 443);
    return canonicalRegistry(host, port, scheme);
  } catch (error) {
    if (error instanceof ProxyError) throw badName(text);
    throw error;
  }
}

function readPath(text: string, registry: string, path: string): Named {
  const at = path.indexOf('@');
  const digest = at === -1 ? undefined : parseDigest(path.slice(at + 1));
  if (at !== -1 && digest === undefined) throw badName(text);
  const named = at === -1 ? path : path.slice(0, at);
  const colon = named.lastIndexOf(':');
  const hasTag = colon > named.lastIndexOf('/');
  const tag = hasTag ? named.slice(colon + 1) : undefined;
  const repository = onHub(registry, hasTag ? named.slice(0, colon) : named);
  if (!REPOSITORY.test(repository) || (tag !== undefined && !TAG.test(tag))) throw badName(text);
  // A digest says more than the tag beside it.
  if (digest !== undefined) return { kind: 'image', image: { registry, repository, digest } };
  if (tag !== undefined) return { kind: 'image', image: { registry, repository, tag } };
  return { kind: 'repository', repository: { registry, repository } };
}

/** Docker Hub's own images are below `library/`. */
function onHub(registry: string, repository: string): string {
  return registry === 'docker.io' && !repository.includes('/') ? `library/${repository}` : repository;
}

function notWhole(text: string): ConfigError {
  const wanted = 'sha256: and 64, or sha512: and 128, lower-case hex digits';
  return new ConfigError([
    `${JSON.stringify(cut(text))} is no whole digest: ${wanted}. entrepot cache show, and cache ls with --json, tell them whole.`,
  ]);
}

function badName(text: string): ConfigError {
  return new ConfigError([`${JSON.stringify(cut(text))} names nothing that can be stored; ${EXAMPLES}.`]);
}

function cut(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}
