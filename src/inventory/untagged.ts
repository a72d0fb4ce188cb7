import type { Digest } from '../oci/digest.js';
import { type ContentSource, readHeld } from './content-source.js';
import { type FactPages, linkFacts, tagFacts } from './fact-pages.js';

/** A repository with more links is not looked through for untagged images. */
const MAX_LINKS = 10_000;
/** Nor one with more manifests than this, together: whoever runs a registry can make large ones. */
const MAX_MANIFEST_BYTES = 64 * 1024 * 1024;

/**
 * Held manifests of a repository that no tag points to and no other of its held manifests lists: pulled by digest, or
 * left behind by a tag that has moved. None where the repository has more than ten thousand links, or 64 MiB of
 * manifests: all of them would have to be read for each page.
 */
export async function untaggedRoots(source: ContentSource, facts: FactPages, scope: string): Promise<Digest[]> {
  const roots = new Set<Digest>();
  const covered = new Set<Digest>();
  let links = 0;
  let manifestBytes = 0;
  for await (const { digest } of linkFacts(facts, `${scope} `)) {
    links += 1;
    if (links > MAX_LINKS) return [];
    const entry = await source.describe(digest);
    if (entry?.mediaType === undefined) continue;
    manifestBytes += entry.sizeBytes;
    if (manifestBytes > MAX_MANIFEST_BYTES) return [];
    roots.add(digest);
    for (const child of (await readHeld(source, entry))?.descriptors ?? []) covered.add(child.digest);
  }
  if (roots.size === 0) return [];
  for await (const { scope: owner, digest } of tagFacts(facts, `${scope}:`)) {
    if (owner === scope) covered.add(digest);
  }
  return [...roots].filter((digest) => !covered.has(digest)).sort();
}
