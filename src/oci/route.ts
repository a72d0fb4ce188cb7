import { type Digest, parseDigest } from './digest.js';

/** What a request means to a registry. `other` is everything that is forwarded without a thought. */
export type RegistryRoute =
  | { readonly kind: 'ping' }
  | {
      readonly kind: 'manifest';
      readonly repository: string;
      /** A tag or a digest, as it stands in the path. */
      readonly reference: string;
      /** The reference, where it is a digest. */
      readonly digest: Digest | undefined;
      /** What containerd's `ns=` names to a mirror; the same repository of another namespace is another repository. */
      readonly namespace?: string;
    }
  | {
      readonly kind: 'blob';
      readonly repository: string;
      readonly reference: string;
      readonly digest: Digest;
      readonly namespace?: string;
    }
  | { readonly kind: 'upload'; readonly repository: string }
  | { readonly kind: 'tags'; readonly repository: string }
  | { readonly kind: 'referrers'; readonly repository: string }
  | { readonly kind: 'catalog' }
  | { readonly kind: 'other' };

export type RouteKind = RegistryRoute['kind'];

const OTHER: RegistryRoute = { kind: 'other' };

const METHODS: Readonly<Record<Exclude<RouteKind, 'other'>, readonly string[]>> = {
  ping: ['GET', 'HEAD'],
  manifest: ['GET', 'HEAD', 'PUT', 'DELETE'],
  blob: ['GET', 'HEAD', 'DELETE'],
  upload: ['GET', 'HEAD', 'POST', 'PATCH', 'PUT', 'DELETE'],
  tags: ['GET', 'HEAD'],
  referrers: ['GET', 'HEAD'],
  catalog: ['GET', 'HEAD'],
};

// Escapes, parameters and empty or dot segments have more than one reading; what two parties can read in two ways is never cached.
const PLAIN_PATH = /^(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._:+=~@-]+)+\/?$/;
// The leading .+ is greedy, so the last such segment of the path decides: repositories may be called "blobs" or "manifests".
const CONTENT = /^\/v2\/(.+)\/(manifests|blobs|referrers)\/([^/]+)$/;
const UPLOAD = /^\/v2\/(.+)\/blobs\/uploads(?:\/[^/]*)?$/;
const TAGS = /^\/v2\/(.+)\/tags\/list$/;

const MAX_NAME_LENGTH = 255;
const NAME = /^[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const NAMESPACE_QUERY = /^ns=([A-Za-z0-9._~%:[\]-]+)$/;

/**
 * Reads method and path (query included) as the distribution spec writes them, the whole path from both ends. What is
 * not exactly in the grammar is `other`: an odd digest, an escape, a query on a manifest or blob beyond containerd's `ns=`.
 * @see https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#endpoints
 */
export function parseRoute(method: string, path: string): RegistryRoute {
  const mark = path.indexOf('?');
  const query = mark === -1 ? undefined : path.slice(mark + 1);
  const route = parsePath(mark === -1 ? path : path.slice(0, mark), query);
  return route.kind === 'other' || METHODS[route.kind].includes(method) ? route : OTHER;
}

function parsePath(path: string, query: string | undefined): RegistryRoute {
  if (!PLAIN_PATH.test(path)) return OTHER;
  if (path === '/v2/') return query === undefined ? { kind: 'ping' } : OTHER;
  if (path === '/v2/_catalog') return { kind: 'catalog' };
  const content = CONTENT.exec(path);
  const route = content === null ? undefined : parseContent(content, query);
  if (route !== undefined) return route;
  const upload = UPLOAD.exec(path)?.[1];
  if (upload !== undefined && isRepositoryName(upload)) return { kind: 'upload', repository: upload };
  const tags = TAGS.exec(path)?.[1];
  if (tags !== undefined && isRepositoryName(tags)) return { kind: 'tags', repository: tags };
  return OTHER;
}

function parseContent(match: RegExpExecArray, query: string | undefined): RegistryRoute | undefined {
  const [, repository = '', kind, reference = ''] = match;
  if (!isRepositoryName(repository)) return undefined;
  const digest = parseDigest(reference);
  if (kind === 'referrers') return digest === undefined ? undefined : { kind, repository };
  const namespace = query === undefined ? undefined : NAMESPACE_QUERY.exec(query)?.[1];
  if (query !== undefined && namespace === undefined) return undefined;
  const place = namespace === undefined ? { repository, reference } : { repository, reference, namespace };
  if (kind === 'blobs') return digest === undefined ? undefined : { kind: 'blob', ...place, digest };
  return digest === undefined && !TAG.test(reference) ? undefined : { kind: 'manifest', ...place, digest };
}

function isRepositoryName(name: string): boolean {
  return name.length <= MAX_NAME_LENGTH && NAME.test(name);
}
