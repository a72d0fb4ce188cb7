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

export interface PublicContentOptions {
  readonly rows: FactRows;
  /** How long a proof is good for, milliseconds. */
  readonly ttlMs: number;
  readonly now?: () => number;
}

/** What repositories give to anybody, by the proxy's own requests without credentials. Kept across restarts. */
export class PublicContent {
  readonly #rows: FactRows;
  readonly #ttlMs: number;
  readonly #now: () => number;
  /** When a digest was last hidden: proofs of manifests that list it and are older say nothing of it any more. */
  readonly #hiddenAt = new Map<string, number>();

  constructor(options: PublicContentOptions) {
    this.#rows = options.rows;
    this.#ttlMs = options.ttlMs;
    this.#now = options.now ?? Date.now;
  }

  async has(scope: string, digest: Digest): Promise<boolean> {
    return (await this.find(scope, digest)) !== undefined;
  }

  /** The proof for exactly this digest, while it is good. One from the future (a clock that jumped) is none. */
  async find(scope: string, digest: Digest): Promise<PublicRow | undefined> {
    const row = await this.#rows.get<PublicRow>('public', publicKey(scope, digest));
    if (!row) return undefined;
    const ageMs = this.#now() - row.provenAt;
    return ageMs >= 0 && ageMs < this.#ttlMs ? row : undefined;
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
    this.#hiddenAt.delete(key);
    this.#hiddenAt.set(key, this.#now());
    const oldest = this.#hiddenAt.keys().next();
    if (this.#hiddenAt.size > MAX_HIDDEN && !oldest.done) this.#hiddenAt.delete(oldest.value);
    await this.#rows.delete('public', key);
  }
}

function publicKey(scope: string, digest: Digest): string {
  return `${scope} ${digest}`;
}
