/** Media types of manifests. @see https://github.com/opencontainers/image-spec/blob/v1.1.1/media-types.md */
export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
export const OCI_ARTIFACT_MANIFEST = 'application/vnd.oci.artifact.manifest.v1+json';
export const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
export const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';
export const DOCKER_SCHEMA1 = 'application/vnd.docker.distribution.manifest.v1+json';
export const DOCKER_SCHEMA1_SIGNED = 'application/vnd.docker.distribution.manifest.v1+prettyjws';

/** What a blob is delivered as, whatever its descriptor calls it. */
export const BLOB_MEDIA_TYPE = 'application/octet-stream';

/** The Accept lines of a client that takes every manifest we can read, for requests that the proxy makes itself. */
export const ACCEPT_ALL_MANIFESTS = [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST, OCI_ARTIFACT_MANIFEST].join(
  ', ',
);

const MANIFEST_TYPES: ReadonlySet<string> = new Set([
  OCI_MANIFEST,
  OCI_INDEX,
  OCI_ARTIFACT_MANIFEST,
  DOCKER_MANIFEST,
  DOCKER_LIST,
  DOCKER_SCHEMA1,
  DOCKER_SCHEMA1_SIGNED,
]);

interface AcceptItem {
  readonly range: string;
  readonly weight: number;
}

/** The type of a Content-Type without its parameters, in lower case. */
export function bareMediaType(contentType: string): string {
  return (contentType.split(';', 1)[0] ?? '').trim().toLowerCase();
}

/** Whether content of this type is asked for under `/manifests/`. */
export function isManifestType(mediaType: string): boolean {
  return MANIFEST_TYPES.has(bareMediaType(mediaType));
}

/**
 * Whether a client with these Accept lines takes content of this type: the most specific range that fits decides, and
 * `q=0` means no (RFC 9110 section 12.5.1). Without any Accept the answer is no, because registries answer such old
 * clients with something else than what they have: ask the registry.
 */
export function acceptAllows(acceptLines: readonly string[], mediaType: string): boolean {
  const type = bareMediaType(mediaType);
  // Nearly every client names the type as it is; only the others are worth a parser.
  if (acceptLines.some((line) => line.split(',').some((item) => item.trim() === type))) return true;
  const items = parseAccept(acceptLines);
  for (const range of [type, `${type.split('/', 1)[0]}/*`, '*/*']) {
    const weights = items.filter((item) => item.range === range).map((item) => item.weight);
    if (weights.length > 0) return Math.max(...weights) > 0;
  }
  return false;
}

/** One text for all Accept headers that say the same: dockerd sends its types in another order at each request. */
export function normaliseAccept(acceptLines: readonly string[]): string {
  const items = acceptLines.flatMap((line) => line.split(',')).map((item) => item.replaceAll(/\s/g, '').toLowerCase());
  return [...new Set(items.filter((item) => item !== ''))].sort().join(',');
}

function parseAccept(acceptLines: readonly string[]): AcceptItem[] {
  const items: AcceptItem[] = [];
  for (const text of normaliseAccept(acceptLines).split(',')) {
    const [range = '', ...params] = text.split(';');
    // A range with a parameter of its own, such as a profile, asks for something that no manifest type carries.
    if (range === '' || params.some((param) => !param.startsWith('q='))) continue;
    items.push({ range, weight: params.length === 0 ? 1 : Number(params[0]?.slice(2)) || 0 });
  }
  return items;
}
