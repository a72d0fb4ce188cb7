import { putNewest } from '../net/put-newest.js';
import type { Digest } from '../oci/digest.js';
import type { FactRows } from './fact-rows.js';

/** When a repository last showed the digest, or a manifest that covers it, to a stranger. */
export interface PublicRow {
  /** Milliseconds since the epoch. */
  readonly provenAt: number;
  /** How many manifests lie between the one that was shown and this digest. */
  readonly depth: number;
}

/** Digests that are remembered as hidden; an older proof that comes after more of them is taken at its word. */
const MAX_HIDDEN = 10_000;

/** Repositories of which it is held in memory when they were last hidden; the rest is read again. */
const MAX_SCOPES = 10_000;

/** How long a proof counts while the registry cannot be asked. */
const KEPT_MS = 30 * 86_400_000;

/** When a repository last hid itself from strangers: what was proven before says nothing any more. */
interface HiddenRow {
  readonly hiddenAt: number;
}

export interface PublicContentOptions {
  readonly rows: FactRows;
  /** How long a proof is good for, milliseconds. */
  readonly ttlMs: number;
  /** How long it is good for while the registry cannot be asked; 30 days where it is left out. */
  readonly keptMs?: number;
  readonly now?: () => number;
}

/** What repositories give to anybody, by the proxy's own requests without credentials. Kept across restarts. */
export class PublicContent {
  readonly #rows: FactRows;
  readonly #ttlMs: number;
  readonly #keptMs: number;
  readonly #now: () => number;
  /** When repositories were last hidden as a whole; 0 for never. What is not in here stands in the rows. */
  readonly #hiddenScopes = new Map<string, number>();
  /** When a digest was last hidden: proofs of manifests that list it and are older say nothing of it any more. */
  readonly #hiddenAt = new Map<string, number>();

  constructor(options: PublicContentOptions) {
    this.#rows = options.rows;
    this.#ttlMs = options.ttlMs;
    this.#keptMs = Math.max(options.keptMs ?? KEPT_MS, options.ttlMs);
    this.#now = options.now ?? Date.now;
  }

  /** The clock of proofs: milliseconds since the epoch. */
  now(): number {
    return this.#now();
  }

  async has(scope: string, digest: Digest): Promise<boolean> {
    return (await this.find(scope, digest)) !== undefined;
  }

  /** The proof for exactly this digest, while it is good. One from the future (a clock that jumped) is none. */
  find(scope: string, digest: Digest): Promise<PublicRow | undefined> {
    return this.#youngerThan(scope, digest, this.#ttlMs);
  }

  /** Whether the digest was public when the registry last said so: for as long as the registry cannot be asked. */
  async isKept(scope: string, digest: Digest): Promise<boolean> {
    return (await this.#youngerThan(scope, digest, this.#keptMs)) !== undefined;
  }

  /** Writes a proof for one digest; an older one replaces neither a newer one nor a refusal. */
  async prove(scope: string, digest: Digest, row: PublicRow): Promise<void> {
    const hiddenAt = this.#hiddenAt.get(publicKey(scope, digest));
    if (hiddenAt !== undefined && row.provenAt < hiddenAt) return;
    const known = await this.find(scope, digest);
    if (known && known.provenAt >= row.provenAt) return;
    await this.#rows.set('public', publicKey(scope, digest), row);
  }

  /** The repository hides the digest from strangers now. */
  async drop(scope: string, digest: Digest): Promise<void> {
    const key = publicKey(scope, digest);
    putNewest(this.#hiddenAt, key, this.#now(), MAX_HIDDEN);
    await this.#rows.delete('public', key);
  }

  /** The repository shows itself to strangers no more: every proof up to now is void, those of its other contents too. */
  async hide(scope: string): Promise<void> {
    const hiddenAt = this.#now();
    this.#rememberHidden(scope, hiddenAt);
    await this.#rows.set('public', scope, { hiddenAt } satisfies HiddenRow);
  }

  async #youngerThan(scope: string, digest: Digest, ageLimitMs: number): Promise<PublicRow | undefined> {
    const row = await this.#rows.get<PublicRow>('public', publicKey(scope, digest));
    if (!row) return undefined;
    const ageMs = this.#now() - row.provenAt;
    if (ageMs < 0 || ageMs >= ageLimitMs) return undefined;
    return row.provenAt > (await this.#scopeHiddenAt(scope)) ? row : undefined;
  }

  async #scopeHiddenAt(scope: string): Promise<number> {
    const known = this.#hiddenScopes.get(scope);
    if (known !== undefined) return known;
    const row = await this.#rows.get<HiddenRow>('public', scope);
    return this.#rememberHidden(scope, row?.hiddenAt ?? 0);
  }

  #rememberHidden(scope: string, hiddenAt: number): number {
    putNewest(this.#hiddenScopes, scope, hiddenAt, MAX_SCOPES);
    return hiddenAt;
  }
}

function publicKey(scope: string, digest: Digest): string {
  return `${scope} ${digest}`;
}
