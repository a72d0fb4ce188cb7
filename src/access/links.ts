import type { Digest } from '../oci/digest.js';
import type { FactRows } from './fact-rows.js';

/** A repository's delivery of all verified bytes of a digest to this proxy. Times are milliseconds since the epoch. */
interface LinkRow {
  readonly deliveredAt: number;
  /** When the repository last delivered or confirmed the digest to somebody who was granted it. */
  readonly confirmedAt: number;
}

/** Repositories that are remembered as carriers of one digest, the newest last. */
const MAX_CARRIERS = 8;

/** A confirmation is written down at most this often; the age limit is counted in days. */
const CONFIRM_EVERY_MS = 6 * 3600_000;

export interface LinksOptions {
  readonly rows: FactRows;
  /** A link that nobody confirmed for this long is good for nothing: the host may have changed hands (threats W17). */
  readonly maxAgeMs: number;
  readonly now?: () => number;
}

/**
 * Who delivered what. A registry that merely claims a digest has delivered nothing: call `delivered` only after the
 * digest of the bytes was checked.
 */
export class Links {
  readonly #rows: FactRows;
  readonly #maxAgeMs: number;
  readonly #now: () => number;

  constructor(options: LinksOptions) {
    this.#rows = options.rows;
    this.#maxAgeMs = options.maxAgeMs;
    this.#now = options.now ?? Date.now;
  }

  /** Whether this repository itself once delivered the digest, and somebody confirmed it within the age limit. */
  async has(scope: string, digest: Digest): Promise<boolean> {
    const row = await this.#rows.get<LinkRow>('link', linkKey(scope, digest));
    return row !== undefined && this.#isLive(row);
  }

  /** Whether this repository ever delivered the digest: while nobody can be asked, nobody can confirm it either. */
  async hasEver(scope: string, digest: Digest): Promise<boolean> {
    return (await this.#rows.get<LinkRow>('link', linkKey(scope, digest))) !== undefined;
  }

  /** Writes the link. The bytes were delivered whole by this repository and their digest was checked. */
  async delivered(scope: string, digest: Digest): Promise<void> {
    const now = this.#now();
    await this.#rows.set('link', linkKey(scope, digest), { deliveredAt: now, confirmedAt: now } satisfies LinkRow);
    const carriers = await this.carriers(digest);
    if (carriers.at(-1) === scope) return;
    const others = carriers.filter((carrier) => carrier !== scope);
    await this.#rows.set('link', digest, [...others.slice(1 - MAX_CARRIERS), scope]);
  }

  /** The repository confirmed the digest, to somebody who was granted it, by a live answer. */
  async confirmed(scope: string, digest: Digest): Promise<void> {
    const row = await this.#rows.get<LinkRow>('link', linkKey(scope, digest));
    const now = this.#now();
    if (!row || !this.#isLive(row) || now - row.confirmedAt < CONFIRM_EVERY_MS) return;
    await this.#rows.set('link', linkKey(scope, digest), { ...row, confirmedAt: now } satisfies LinkRow);
  }

  /** The repository said 404 to somebody whom it had just granted other things: the digest is gone there. */
  async drop(scope: string, digest: Digest): Promise<void> {
    await this.#rows.delete('link', linkKey(scope, digest));
  }

  /** Repositories that delivered this digest, of whatever registry. */
  async carriers(digest: Digest): Promise<readonly string[]> {
    return (await this.#rows.get<string[]>('link', digest)) ?? [];
  }

  #isLive(row: LinkRow): boolean {
    return this.#now() - row.confirmedAt < this.#maxAgeMs;
  }
}

function linkKey(scope: string, digest: Digest): string {
  return `${scope} ${digest}`;
}
