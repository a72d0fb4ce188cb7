import type { CacheStore, FactStore, Inventory } from '../cache/contract.js';
import type { Digest } from '../oci/digest.js';
import { forgetCarriers } from './carriers.js';
import type { ContentSource } from './content-source.js';
import type { RemovalItem, RemovalReport, Selection, Work } from './contract.js';
import { createDigestSet } from './digest-set.js';
import type { FactPages } from './fact-pages.js';
import { type HeldContent, heldBelow } from './held-below.js';
import { createHolderNames } from './holder-names.js';
import { findHolders, type Holders } from './holders.js';
import { type RemovalScope, scopeOfRemoval } from './removal-scope.js';
import { RemovalTally } from './removal-tally.js';
import { createTurns } from './turns.js';

export interface RemovalParts {
  readonly source: ContentSource;
  readonly store: Pick<CacheStore, 'remove'>;
  readonly inventory: Pick<Inventory, 'list'>;
  readonly facts: FactPages & Pick<FactStore, 'get' | 'set' | 'delete'>;
  readonly now: () => number;
}

/** How much of the work the search for holders is, for the progress. */
const SEARCH_SHARE = 0.5;
/** Removed side by side: rows are then written many at a time. */
const AT_ONCE = 64;

/**
 * Removes an image, a repository's images or a registry's, with everything that no other image of the store holds.
 * Undefined where nothing is known of what is named.
 * @throws ConfigError for names that are none
 */
export async function removeImages(
  parts: RemovalParts,
  selection: Selection,
  dryRun: boolean,
  { onProgress = () => {}, signal }: Work,
): Promise<RemovalReport | undefined> {
  const { source, facts, inventory } = parts;
  const scope = await scopeOfRemoval(source, facts, selection);
  if (scope === undefined) return undefined;
  const tally = new RemovalTally(dryRun);
  const turn = createTurns(signal);
  try {
    const all = createDigestSet();
    const manifests: Digest[] = [];
    for await (const { entry, manifest } of heldBelow(source, scope.roots(), turn)) {
      all.add(entry.digest);
      if (manifest !== undefined) manifests.push(entry.digest);
    }
    const holders = await findHolders({
      ...{ source, inventory, facts, scope, turn },
      candidates: { all, manifests },
      onProgress: (share) => onProgress({ share: share * SEARCH_SHARE, text: 'looking for what other images hold' }),
    });
    const sweep = new Sweep(parts, scope, holders, tally, selection, dryRun);
    for await (const group of groupsOf(heldBelow(source, scope.roots(), turn))) {
      await Promise.all(group.map((content) => sweep.take(content)));
      const done = all.size === 0 ? 1 : Math.min(1, tally.entries / all.size);
      onProgress({ share: SEARCH_SHARE + done * (1 - SEARCH_SHARE), text: `${tally.removed.entries} removed` });
    }
    await sweep.forgetTags();
    return tally.report(false);
  } catch (error) {
    if (signal?.aborted !== true) throw error;
    return tally.report(true);
  }
}

async function* groupsOf(contents: AsyncIterable<HeldContent>): AsyncGenerator<readonly HeldContent[]> {
  let group: HeldContent[] = [];
  for await (const content of contents) {
    group.push(content);
    if (group.length < AT_ONCE) continue;
    yield group;
    group = [];
  }
  yield group;
}

/** The second half of a removal: judges each candidate, and lets go of it. */
class Sweep {
  readonly #parts: RemovalParts;
  readonly #scope: RemovalScope;
  readonly #holders: Holders;
  readonly #tally: RemovalTally;
  readonly #usedBefore: number;
  readonly #dryRun: boolean;
  readonly #nameOf: (holder: string) => Promise<string>;
  /** Kept for reasons of their own; their tags stay. */
  readonly #kept = createDigestSet();

  constructor(
    parts: RemovalParts,
    scope: RemovalScope,
    holders: Holders,
    tally: RemovalTally,
    { unusedMs }: Selection,
    dryRun: boolean,
  ) {
    this.#parts = parts;
    this.#scope = scope;
    this.#holders = holders;
    this.#tally = tally;
    this.#usedBefore = unusedMs === undefined ? Number.POSITIVE_INFINITY : parts.now() - unusedMs;
    this.#dryRun = dryRun;
    this.#nameOf = createHolderNames(parts.source, parts.facts, (key) => scope.isLeaving(key));
  }

  async take(content: HeldContent): Promise<void> {
    const { entry, manifest } = content;
    const { digest } = entry;
    const outcome = this.#judge(content);
    if (outcome === 'removed') return this.#remove(content);
    if (outcome !== 'shared') this.#kept.add(digest);
    // An image that goes is no longer one of its repository's, whoever else has the same.
    else if (!this.#dryRun && manifest !== undefined && !this.#holders.hasInside(digest)) {
      await forgetCarriers(this.#parts.facts, digest, (scope) => this.#scope.holds(scope));
    }
    const holder = outcome === 'shared' ? this.#holders.holderOf(digest) : undefined;
    this.#tally.count(entry, outcome, holder && (await this.#nameOf(holder)));
  }

  async forgetTags(): Promise<void> {
    for await (const { key, digest } of this.#scope.tags()) {
      if (this.#kept.has(digest)) continue;
      this.#tally.countTag();
      if (!this.#dryRun) await this.#parts.facts.delete('tag', key);
    }
  }

  #judge({ entry }: HeldContent): RemovalItem['outcome'] {
    if (entry.pinned) return 'pinned';
    // An image that is used stays one of its repository's, tag and all, whoever else has the same.
    if (entry.usedAt >= this.#usedBefore) return 'used';
    return this.#holders.has(entry.digest) ? 'shared' : 'removed';
  }

  async #remove({ entry }: HeldContent): Promise<void> {
    const outcome = this.#dryRun ? 'removed' : await letGo(this.#parts, entry.digest);
    if (outcome === 'failed') this.#kept.add(entry.digest);
    this.#tally.count(entry, outcome);
  }
}

/** Removes content and what is known of its deliveries. A disk that fails is a matter of the store's readiness, and of the report. */
export async function letGo(
  { store, facts }: Pick<RemovalParts, 'store' | 'facts'>,
  digest: Digest,
): Promise<'removed' | 'failed'> {
  try {
    await store.remove(digest);
  } catch {
    return 'failed';
  }
  await forgetCarriers(facts, digest);
  return 'removed';
}
