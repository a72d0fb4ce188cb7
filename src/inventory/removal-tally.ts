import type { StoredEntry } from '../cache/contract.js';
import type { Amount, RemovalItem, RemovalReport } from './contract.js';

type Outcome = RemovalItem['outcome'];

/** Items that a report lists; all are counted. */
const LISTED_ITEMS = 1_000;
/** Images that a report names as holders. */
const NAMED_HOLDERS = 20;

/** Counts what becomes of content, for the report. */
export class RemovalTally {
  readonly #dryRun: boolean;
  readonly #amounts: Record<Outcome, { entries: number; bytes: number }> = {
    removed: { entries: 0, bytes: 0 },
    shared: { entries: 0, bytes: 0 },
    pinned: { entries: 0, bytes: 0 },
    used: { entries: 0, bytes: 0 },
    failed: { entries: 0, bytes: 0 },
  };
  readonly #items: RemovalItem[] = [];
  readonly #holders = new Set<string>();
  #tags = 0;

  constructor(dryRun: boolean) {
    this.#dryRun = dryRun;
  }

  /** What was removed so far. */
  get removed(): Amount {
    return this.#amounts.removed;
  }

  /** What was looked at so far. */
  get entries(): number {
    return Object.values(this.#amounts).reduce((sum, { entries }) => sum + entries, 0);
  }

  count({ digest, sizeBytes }: StoredEntry, outcome: Outcome, sharedWith?: string): void {
    const amount = this.#amounts[outcome];
    amount.entries += 1;
    amount.bytes += sizeBytes;
    if (sharedWith !== undefined && this.#holders.size < NAMED_HOLDERS) this.#holders.add(sharedWith);
    if (this.#items.length >= LISTED_ITEMS) return;
    this.#items.push({ digest, sizeBytes, outcome, ...(sharedWith === undefined ? {} : { sharedWith }) });
  }

  countTag(): void {
    this.#tags += 1;
  }

  report(aborted: boolean): RemovalReport {
    const { removed, shared, pinned, used, failed } = this.#amounts;
    return {
      dryRun: this.#dryRun,
      removed: { ...removed },
      shared: { ...shared },
      pinned: { ...pinned },
      used: { ...used },
      failed: { ...failed },
      tags: this.#tags,
      sharedWith: [...this.#holders],
      items: [...this.#items],
      aborted,
    };
  }
}
