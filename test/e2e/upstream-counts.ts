import type { PlatformImage, SourceImage } from '../lab/images.js';
import type { SeenRequest } from '../lab/upstream-log.js';
import { session } from './session.js';

/** How often upstreams were asked for what, by the client or by the proxy on its behalf. */
export interface Counts {
  /** `GET /v2/`. */
  readonly pings: number;
  /** Requests to the token server. */
  readonly tokens: number;
  /** `HEAD` and `GET` of manifests that were refused for want of credentials. */
  readonly challenges: number;
  readonly manifestHeads: number;
  readonly manifestBodies: number;
  readonly blobHeads: number;
  /** Blob bodies that an upstream delivered, be it the registry or the CDN. */
  readonly blobBodies: number;
}

/** The proxy's questions in its own name (is this host a registry, is this image public) carry its own name. */
function isOwnQuestion(request: SeenRequest): boolean {
  return /^entrepot\b/.test(request.userAgent);
}

const blob = /\/blobs\/(?:sha256:|sha256\/[0-9a-f]{2}\/)(?<hex>[0-9a-f]{64})/;

function deliversBlob({ method, path, status, bytes }: SeenRequest): boolean {
  // A single byte is the answer to the question whether a credential may read this blob.
  return method === 'GET' && blob.test(path) && (status === 200 || status === 206) && bytes > 1;
}

function isManifest({ path }: SeenRequest): boolean {
  return path.includes('/manifests/');
}

function isRefused({ status }: SeenRequest): boolean {
  return status === 401;
}

/** Counts everything but the proxy's own questions. */
export function count(requests: readonly SeenRequest[]): Counts {
  const theirs = requests.filter((request) => !isOwnQuestion(request));
  const number = (test: (request: SeenRequest) => boolean): number => theirs.filter(test).length;
  return {
    pings: number(({ path }) => path === '/v2/'),
    tokens: number(({ place }) => place === 'token'),
    challenges: number((request) => isManifest(request) && isRefused(request)),
    manifestHeads: number((request) => isManifest(request) && request.method === 'HEAD' && !isRefused(request)),
    manifestBodies: number((request) => isManifest(request) && request.method === 'GET' && !isRefused(request)),
    blobHeads: number(({ method, path, place }) => method === 'HEAD' && blob.test(path) && place !== 'cdn'),
    blobBodies: number(deliversBlob),
  };
}

/** Which blobs upstreams delivered, by digest, sorted; one delivered twice stands twice. */
export function deliveredBlobs(requests: readonly SeenRequest[]): string[] {
  const delivered = requests.filter(deliversBlob).map(({ path }) => `sha256:${blob.exec(path)?.groups?.['hex'] ?? ''}`);
  return delivered.sort();
}

/** The blobs of one platform, sorted. */
export function blobsOf(...images: PlatformImage[]): string[] {
  return images.flatMap(({ config, layers }) => [config, ...layers]).sort();
}

/** How many manifests a client reads to get one platform of an image. */
export function manifestsOf(image: SourceImage): number {
  return image.root === image.platforms[0].manifest ? 1 : 2;
}

/** Does something and gives what upstreams were asked meanwhile. */
export async function observe(action: () => Promise<void>): Promise<SeenRequest[]> {
  const { lab } = session();
  const before = await lab.seen();
  await action();
  const after = await lab.seen();
  // Each place keeps a list of its own, which only grows.
  const places = [...new Set(after.map(({ place }) => place))];
  return places.flatMap((place) => {
    const [earlier, all] = [before, after].map((requests) => requests.filter((request) => request.place === place));
    return (all ?? []).slice(earlier?.length ?? 0);
  });
}
