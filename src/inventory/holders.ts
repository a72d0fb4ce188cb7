import type { FactStore, Inventory } from '../cache/contract.js';
import type { Digest } from '../oci/digest.js';
import { carriersOf } from './carriers.js';
import { type ContentSource, readHeld } from './content-source.js';
import { createDigestSet, type DigestSet } from './digest-set.js';
import { type FactPages, tagFacts } from './fact-pages.js';
import { heldManifests } from './held-manifests.js';
import type { RemovalScope } from './removal-scope.js';

/** Content that is to be removed, before it is known what others hold of it. */
export interface Candidates {
  readonly all: DigestSet;
  /** Those that are manifests, parts before what lists them. */
  readonly manifests: readonly Digest[];
}

/** What images that stay hold of the candidates. */
export interface Holders {
  has(digest: Digest): boolean;
  /** Whether an image of the very repository holds it, where only one of its images is to be removed. */
  hasInside(digest: Digest): boolean;
  /** One that holds it: the name of a tag, as `docker.io library/alpine:3.20`, or a manifest's digest. */
  holderOf(digest: Digest): string | undefined;
}

export interface HolderSearch {
  readonly source: ContentSource;
  readonly inventory: Pick<Inventory, 'list'>;
  readonly facts: FactPages & Pick<FactStore, 'get'>;
  readonly scope: RemovalScope;
  readonly candidates: Candidates;
  readonly turn: () => Promise<void>;
  /** Called with how much of the store was looked through, from 0 to 1. */
  readonly onProgress: (share: number) => void;
}

/** Holders that are remembered by name; of further content it is only known that it is held. */
const MAX_NAMED = 1_000;

/**
 * Looks through all tags and all held manifests for what holds any of the candidates. Reads every manifest of the
 * store, in pages.
 */
export async function findHolders(search: HolderSearch): Promise<Holders> {
  const { source, inventory, facts, scope, candidates, turn, onProgress } = search;
  const held = createDigestSet();
  const inside = createDigestSet();
  const names = new Map<Digest, string>();

  function hold(digest: Digest, holder: string | undefined, isInside: boolean): void {
    held.add(digest);
    if (isInside) inside.add(digest);
    if (holder !== undefined && names.size < MAX_NAMED && !names.has(digest)) names.set(digest, holder);
  }

  for await (const { key, digest, scope: owner } of tagFacts(facts)) {
    await turn();
    if (!scope.isLeaving(key) && candidates.all.has(digest)) hold(digest, key, scope.holds(owner));
  }

  const manifests = new Set(scope.isOneImage ? candidates.manifests : []);
  for await (const { entry, share } of heldManifests(inventory)) {
    await turn();
    onProgress(share);
    if (candidates.all.has(entry.digest)) continue;
    const parts = ((await readHeld(source, entry))?.descriptors ?? []).filter(({ digest }) =>
      candidates.all.has(digest),
    );
    if (parts.length === 0) continue;
    const holdsManifest = parts.some(({ digest }) => manifests.has(digest));
    const isInside = holdsManifest && (await carriersOf(facts, entry.digest)).some((carrier) => scope.holds(carrier));
    for (const { digest } of parts) hold(digest, entry.digest, isInside);
  }

  for (const digest of candidates.manifests) {
    await turn();
    const outside = (await carriersOf(facts, digest)).find((carrier) => !scope.holds(carrier));
    if (outside !== undefined) hold(digest, `${outside}@${digest}`, false);
  }

  /** What a held manifest lists is held as well. Those that list others come last, so from the end it is one pass. */
  for (const digest of candidates.manifests.toReversed()) {
    await turn();
    if (!held.has(digest)) continue;
    const entry = await source.describe(digest);
    const manifest = entry && (await readHeld(source, entry));
    for (const part of manifest?.descriptors ?? []) {
      if (candidates.all.has(part.digest)) hold(part.digest, names.get(digest), inside.has(digest));
    }
  }

  return {
    has: (digest) => held.has(digest),
    hasInside: (digest) => inside.has(digest),
    holderOf: (digest) => names.get(digest),
  };
}
