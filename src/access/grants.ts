import { putNewest } from '../net/put-newest.js';
import type { Digest } from '../oci/digest.js';

/** A registry's yes to one credential for one digest in one repository, and when it was said. */
export interface Grant {
  /** Monotonic milliseconds of the answer; a grant that a manifest passed on has the manifest's time. */
  readonly at: number;
  /** The length that the answer gave for the digest. */
  readonly sizeBytes: number;
  /** How many manifests lie between the answer and this digest. */
  readonly depth: number;
}

interface HeldGrant extends Grant {
  /** False for a manifest whose children have not been granted yet because it was not stored at the time. */
  expanded: boolean;
  /** True for a 404: no grant, but a bar to the older answers of manifests that list the digest. */
  readonly gone?: boolean;
}

/** One credential's grants in one repository. */
interface GrantSet {
  readonly grants: Map<Digest, HeldGrant>;
  /** The time of the newest answer among them. */
  newestAt: number;
}

/** Something that a granted manifest lists. */
export interface GrantedChild {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly isManifest: boolean;
}

export interface GrantsOptions {
  /** How long a yes is good for, milliseconds. */
  readonly ttlMs: number;
  /** Monotonic clock, milliseconds. */
  readonly now?: () => number;
  /** Most pairs of repository and credential that are remembered; the least recently granted go first (threats W16). */
  readonly maxSets?: number;
  /** Most grants that are remembered in all, in the same order. */
  readonly maxGrants?: number;
}

/** How far down a manifest's answer reaches: an index of indexes is rare, a deeper tree is an attack (threats E17). */
export const MAX_DEPTH = 4;

/** Digests in one set; a credential that walks a whole registry must not grow without end. */
const MAX_GRANTS_PER_SET = 20_000;

/** Digests in all sets together: whoever runs a registry can have it say yes to any number of made-up credentials. */
const MAX_GRANTS = 1_000_000;

/**
 * The registry's own recent answers, by repository, credential and digest. In memory only, so a restart forgets them
 * (threats E12). Only credentials that got a yes are kept, so that made-up ones cost nothing (threats W16).
 */
export class Grants {
  readonly #sets = new Map<string, GrantSet>();
  /** When the registry last refused a credential, by the same keys. */
  readonly #revokedAt = new Map<string, number>();
  #count = 0;
  readonly #ttlMs: number;
  readonly #maxSets: number;
  readonly #maxGrants: number;
  readonly #now: () => number;

  constructor(options: GrantsOptions) {
    this.#ttlMs = options.ttlMs;
    this.#maxSets = options.maxSets ?? 50_000;
    this.#maxGrants = options.maxGrants ?? MAX_GRANTS;
    this.#now = options.now ?? (() => performance.now());
  }

  /** The clock of grants: monotonic milliseconds. */
  now(): number {
    return this.#now();
  }

  /**
   * Remembers a live yes. `isManifest` says that what the manifest lists shares the answer, `askedAt` when it was asked
   * for: a yes that was on its way when a refusal came is older than the refusal, and counts for nothing.
   */
  add(
    scope: string,
    credential: string,
    digest: Digest,
    sizeBytes: number,
    isManifest: boolean,
    askedAt: number = this.#now(),
  ): void {
    const revokedAt = this.#revokedAt.get(setKey(scope, credential));
    if (revokedAt !== undefined && askedAt < revokedAt) return;
    this.#put(scope, credential, digest, { at: askedAt, sizeBytes, depth: 0, expanded: !isManifest });
  }

  /**
   * Passes a manifest's grant on to what it lists, four levels deep; the time stays that of the answer. Does nothing
   * where the grant has been revoked or renewed since it was looked at: reading the manifest took a while.
   */
  expand(scope: string, credential: string, manifest: Digest, from: Grant, children: readonly GrantedChild[]): void {
    const held = this.#sets.get(setKey(scope, credential))?.grants.get(manifest);
    if (!held || held.at !== from.at || held.expanded) return;
    held.expanded = true;
    const depth = held.depth + 1;
    for (const child of children) {
      const known = this.#sets.get(setKey(scope, credential))?.grants.get(child.digest);
      if (known && known.at >= held.at) continue;
      const expanded = !child.isManifest || depth >= MAX_DEPTH;
      this.#put(scope, credential, child.digest, { at: held.at, sizeBytes: child.sizeBytes, depth, expanded });
    }
  }

  /** The grant for exactly this digest, while it is good. */
  find(scope: string, credential: string, digest: Digest): Grant | undefined {
    const grant = this.#sets.get(setKey(scope, credential))?.grants.get(digest);
    return grant && !grant.gone && this.#isFresh(grant) ? grant : undefined;
  }

  /** Manifests that this credential was granted and whose children were not looked at yet. */
  unexpanded(scope: string, credential: string): readonly { readonly digest: Digest; readonly grant: Grant }[] {
    const set = this.#sets.get(setKey(scope, credential));
    if (!set) return [];
    const found: { digest: Digest; grant: Grant }[] = [];
    for (const [digest, grant] of set.grants) {
      if (!grant.expanded && this.#isFresh(grant)) found.push({ digest, grant });
    }
    return found;
  }

  /** Whether the credential has any good grant in the repository: the registry knows it there. */
  hasAny(scope: string, credential: string): boolean {
    const set = this.#sets.get(setKey(scope, credential));
    return set !== undefined && this.#isFresh({ at: set.newestAt });
  }

  /** The registry said 401 or 403: nothing that it said to this credential in this repository counts any more. */
  revoke(scope: string, credential: string): void {
    const key = setKey(scope, credential);
    this.#drop(key);
    putNewest(this.#revokedAt, key, this.#now(), this.#maxSets);
  }

  /** The registry said 404: this digest is gone for this credential, whatever manifests said of it before. */
  revokeDigest(scope: string, credential: string, digest: Digest): void {
    const set = this.#sets.get(setKey(scope, credential));
    if (!set) return;
    this.#set(set, digest, { at: this.#now(), sizeBytes: 0, depth: 0, expanded: true, gone: true });
    this.#trim(set);
  }

  /** How many pairs of repository and credential, and how many digests, are remembered. */
  get size(): { readonly sets: number; readonly grants: number } {
    return { sets: this.#sets.size, grants: this.#count };
  }

  #isFresh(grant: { readonly at: number }): boolean {
    return this.#now() - grant.at < this.#ttlMs;
  }

  #put(scope: string, credential: string, digest: Digest, grant: HeldGrant): void {
    const key = setKey(scope, credential);
    const set = this.#sets.get(key) ?? { grants: new Map<Digest, HeldGrant>(), newestAt: grant.at };
    set.newestAt = Math.max(set.newestAt, grant.at);
    this.#sets.delete(key);
    this.#sets.set(key, set);
    this.#set(set, digest, grant);
    this.#trim(set);
  }

  /** Writes one digest of a set, as the newest. */
  #set({ grants }: GrantSet, digest: Digest, grant: HeldGrant): void {
    if (grants.delete(digest)) this.#count -= 1;
    grants.set(digest, grant);
    this.#count += 1;
  }

  /** Drops what is too old or too much; both maps hold the least recently written first. */
  #trim(set: GrantSet): void {
    for (const [digest, grant] of set.grants) {
      if (set.grants.size <= MAX_GRANTS_PER_SET && this.#isFresh(grant)) break;
      set.grants.delete(digest);
      this.#count -= 1;
    }
    for (const [key, oldest] of this.#sets) {
      const fits = this.#sets.size <= this.#maxSets && this.#count <= this.#maxGrants;
      if (fits && this.#isFresh({ at: oldest.newestAt })) break;
      this.#drop(key);
    }
  }

  #drop(key: string): void {
    this.#count -= this.#sets.get(key)?.grants.size ?? 0;
    this.#sets.delete(key);
  }
}

function setKey(scope: string, credential: string): string {
  return `${scope}\n${credential}`;
}
