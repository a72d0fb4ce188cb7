import type { StoredEntry } from '../cache/contract.js';
import type { Digest } from '../oci/digest.js';
import type { Descriptor } from '../oci/manifest.js';
import { DOCKER_LIST, OCI_INDEX } from '../oci/media-types.js';
import { type ContentSource, readHeld } from './content-source.js';
import type { ImageNode, NodeKind } from './contract.js';
import { type ManifestDetails, readConfigPlatform } from './manifest-details.js';

/** Indexes in indexes are followed so deep, as access does. */
const MAX_DEPTH = 4;
/** Parts of one image; a hostile index can list tens of thousands at each level. */
const MAX_NODES = 5_000;
/** Configurations are a few KiB; a larger one is not read for its platform. */
const MAX_CONFIG_BYTES = 256 * 1024;

/** An image with all its parts. */
export interface ImageTree {
  readonly root: ImageNode;
  readonly truncated: boolean;
}

interface Walk {
  readonly source: ContentSource;
  left: number;
  truncated: boolean;
}

/** What a parent says of a part. */
type Listed = Pick<Descriptor, 'digest' | 'sizeBytes' | 'mediaType'> & Pick<ImageNode, 'kind' | 'platform'>;

/** Reads the tree below a held manifest; undefined where the digest is not held. */
export async function readTree(source: ContentSource, digest: Digest): Promise<ImageTree | undefined> {
  const entry = await source.describe(digest);
  if (entry === undefined) return undefined;
  const walk: Walk = { source, left: MAX_NODES, truncated: false };
  const { sizeBytes, mediaType = '' } = entry;
  const root = await grow(walk, { digest, sizeBytes, mediaType, kind: kindOf(mediaType) }, entry, 0);
  return { root, truncated: walk.truncated };
}

/** Every part of a tree once, the root first. */
export function partsOf(root: ImageNode): readonly ImageNode[] {
  const found = new Map<Digest, ImageNode>();
  const visit = (node: ImageNode): void => {
    // The same content may be listed by a parent that knows more of it.
    if (!found.has(node.digest)) found.set(node.digest, node);
    for (const part of node.parts ?? []) visit(part);
  };
  visit(root);
  return [...found.values()];
}

async function grow(walk: Walk, listed: Listed, entry: StoredEntry | undefined, depth: number): Promise<ImageNode> {
  const { digest, kind, platform } = listed;
  const named = { digest, kind, mediaType: listed.mediaType, ...(platform === undefined ? {} : { platform }) };
  if (entry === undefined) return { ...named, sizeBytes: listed.sizeBytes, held: false };
  const { sizeBytes, usedAt, storedAt, pinned } = entry;
  const held = { ...named, sizeBytes, held: true, usedAt, storedAt, pinned };
  if (kind === 'config' || kind === 'layer' || kind === 'blob') return held;
  const manifest = depth < MAX_DEPTH ? await readHeld(walk.source, entry) : undefined;
  if (manifest === undefined) return held;
  const known = platform ?? (await platformOf(walk.source, manifest));
  const parts = await growParts(walk, manifest, depth + 1);
  return { ...held, ...(known === undefined ? {} : { platform: known }), parts };
}

async function growParts(walk: Walk, manifest: ManifestDetails, depth: number): Promise<ImageNode[]> {
  const parts: ImageNode[] = [];
  for (const descriptor of manifest.descriptors) {
    walk.left -= 1;
    if (walk.left < 0) {
      walk.truncated = true;
      break;
    }
    const { digest, sizeBytes, mediaType } = descriptor;
    const platform = manifest.platforms.get(digest);
    const listed = { digest, sizeBytes, mediaType, kind: partKind(manifest, descriptor) };
    const entry = await walk.source.describe(digest);
    parts.push(await grow(walk, platform === undefined ? listed : { ...listed, platform }, entry, depth));
  }
  return parts;
}

function partKind({ config, attestations }: ManifestDetails, { digest, kind, mediaType }: Descriptor): NodeKind {
  if (kind === 'manifest') return attestations.has(digest) ? 'attestation' : kindOf(mediaType);
  if (config === undefined) return 'blob';
  return digest === config ? 'config' : 'layer';
}

function kindOf(mediaType: string): NodeKind {
  return mediaType === OCI_INDEX || mediaType === DOCKER_LIST ? 'index' : 'manifest';
}

/** An image without an index says its platform in its configuration. */
async function platformOf(source: ContentSource, { config }: ManifestDetails): Promise<string | undefined> {
  if (config === undefined) return undefined;
  const bytes = await source.peek(config, MAX_CONFIG_BYTES);
  return bytes && readConfigPlatform(bytes);
}
