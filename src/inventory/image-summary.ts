import type { Digest } from '../oci/digest.js';
import type { ContentSource } from './content-source.js';
import type { ImageNode, ImageSummary } from './contract.js';
import { formatImage, type ImageName } from './image-name.js';
import { type ImageTree, partsOf, readTree } from './image-tree.js';

export interface SummarisedImage {
  readonly summary: ImageSummary;
  readonly tree: ImageTree;
}

/** What there is to say of an image; undefined where its digest is not held. */
export async function summarise(
  source: ContentSource,
  name: ImageName,
  digest: Digest,
): Promise<SummarisedImage | undefined> {
  const tree = await readTree(source, digest);
  if (tree === undefined) return undefined;
  const { root } = tree;
  const parts = partsOf(root);
  const held = parts.filter((part) => part.held);
  const summary = {
    image: formatImage(name),
    registry: name.registry,
    repository: name.repository,
    ...(name.tag === undefined ? {} : { tag: name.tag }),
    digest,
    mediaType: root.mediaType,
    heldBytes: sum(held),
    knownBytes: sum(parts),
    heldParts: held.length,
    knownParts: parts.length,
    platforms: wholePlatforms(root),
    usedAt: latest(held.map(({ usedAt = 0 }) => usedAt)),
    storedAt: latest(held.map(({ storedAt = 0 }) => storedAt)),
    pinned: root.pinned === true,
  };
  return { summary, tree };
}

function sum(parts: readonly ImageNode[]): number {
  return parts.reduce((total, { sizeBytes }) => total + sizeBytes, 0);
}

function latest(times: readonly number[]): number {
  return times.reduce((last, at) => Math.max(last, at), 0);
}

/** Platforms whose manifest is held with everything below it. */
function wholePlatforms(root: ImageNode): string[] {
  const found = new Set<string>();
  const visit = (node: ImageNode): void => {
    if (node.kind === 'manifest' && node.platform !== undefined && isWhole(node)) found.add(node.platform);
    for (const part of node.parts ?? []) visit(part);
  };
  visit(root);
  return [...found];
}

function isWhole(node: ImageNode): boolean {
  return node.held && (node.parts ?? []).every(isWhole);
}
