import { type Digest, parseDigest } from '../oci/digest.js';
import { type Manifest, readManifest } from '../oci/manifest.js';

/** What a manifest says beyond the digests that it lists: what people want to see. */
export interface ManifestDetails extends Manifest {
  readonly config: Digest | undefined;
  /** The platform of each child of an index, as `linux/arm64/v8`. */
  readonly platforms: ReadonlyMap<Digest, string>;
  /** Children that are attestations of others, which BuildKit puts into an index. */
  readonly attestations: ReadonlySet<Digest>;
}

/** A larger manifest lists more than anybody reads; it is not parsed a second time for its details. */
const MAX_DETAILED_BYTES = 512 * 1024;
/** A name of a platform is shown on terminals and pages, and comes from whoever made the image. */
const PLATFORM_PART = /^[A-Za-z0-9._-]{1,32}$/;
/** @see https://github.com/moby/buildkit/blob/v0.17.0/docs/attestations/attestation-storage.md */
const ATTESTATION = 'attestation-manifest';

const NO_DETAILS: Pick<ManifestDetails, 'config' | 'platforms' | 'attestations'> = {
  config: undefined,
  platforms: new Map(),
  attestations: new Set(),
};

/** Reads a manifest, as `readManifest` does; undefined where that gives nothing. */
export function readDetails(bytes: Uint8Array, mediaType: string): ManifestDetails | undefined {
  const manifest = readManifest(bytes, mediaType);
  if (manifest === undefined) return undefined;
  if (bytes.length > MAX_DETAILED_BYTES) return { ...manifest, ...NO_DETAILS };
  const document = JSON.parse(Buffer.from(bytes).toString()) as { config?: unknown; manifests?: unknown };
  const platforms = new Map<Digest, string>();
  const attestations = new Set<Digest>();
  for (const child of Array.isArray(document.manifests) ? (document.manifests as unknown[]) : []) {
    const digest = digestIn(child);
    if (digest === undefined) continue;
    const { platform, annotations } = child as { platform?: unknown; annotations?: Readonly<Record<string, unknown>> };
    if (annotations?.['vnd.docker.reference.type'] === ATTESTATION) attestations.add(digest);
    const name = platformName(platform);
    if (name !== undefined && !attestations.has(digest)) platforms.set(digest, name);
  }
  return { ...manifest, config: digestIn(document.config), platforms, attestations };
}

/** The platform that an image's configuration names. */
export function readConfigPlatform(bytes: Uint8Array): string | undefined {
  try {
    return platformName(JSON.parse(Buffer.from(bytes).toString()));
  } catch {
    return undefined;
  }
}

/** @see https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md (platform) */
function platformName(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { os, architecture, variant } = value as Readonly<Record<string, unknown>>;
  const parts = [os, architecture, ...(variant === undefined || variant === '' ? [] : [variant])];
  const isName = parts.every((part) => typeof part === 'string' && PLATFORM_PART.test(part));
  return isName ? parts.join('/') : undefined;
}

function digestIn(value: unknown): Digest | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { digest } = value as { digest?: unknown };
  return typeof digest === 'string' ? parseDigest(digest) : undefined;
}
