import { type Digest, parseDigest } from '../oci/digest.js';
import { Catalogue, type Use } from './catalogue.js';
import type { Entry, Index, StoredEntry, Totals } from './contract.js';
import { createStepper } from './stepper.js';

/** Rows that are read at once when entries are loaded, and written at once when their uses are saved. */
const LOAD_ROWS = 500;
const SAVE_ROWS = 200;
/** A store of more is large: the rest of its rows is read once there is time. */
const FEW_ROWS = 5000;

/** As it stands in the index. Rows of older releases have neither `usedAt` nor `uses`, and those ignore both. */
interface EntryRow {
  readonly sizeBytes: number;
  readonly mediaType?: string;
  readonly storedAt: number;
  readonly usedAt?: number;
  readonly uses?: number;
}

/** Entries in memory and in the index, and what they come to in all. Callers change one digest at a time. */
export class Entries {
  readonly catalogue = new Catalogue();
  readonly #index: Index;
  readonly #now: () => number;
  /** What the last run left, until all rows are read. */
  #kept: Totals | undefined;
  /** Digests that were forgotten while rows are being read, whose rows may still be on their way here. */
  #forgotten: Set<Digest> | undefined = new Set();
  #pinned: ReadonlySet<Digest> = new Set();

  constructor(index: Index, now: () => number = Date.now) {
    this.#index = index;
    this.#now = now;
  }

  /** What is held, in all. Until all rows are read, it is what the last run left, or if that is not known, what was read. */
  get usage(): Totals {
    return this.#kept ?? this.catalogue.totals;
  }

  /** Whether `usage` is all there is. */
  get isCounted(): boolean {
    return this.isLoaded || this.#kept !== undefined;
  }

  /** Whether all rows were read, so that what is not in memory is in no row either. */
  get isLoaded(): boolean {
    return this.#forgotten === undefined;
  }

  /** Takes the totals that the last run left. */
  async takeTotals(): Promise<void> {
    this.#kept = await this.#index.takeTotals();
  }

  /**
   * Reads all rows, in steps; the entries can be used meanwhile. Ends early when `stopped` says so. Where there are many,
   * it waits for `whenLarge` after the first few thousand.
   */
  async load(stopped: () => boolean, whenLarge: () => Promise<unknown> = async () => {}): Promise<void> {
    const step = createStepper();
    let after: string | undefined;
    let count = 0;
    for (;;) {
      if (stopped()) return;
      const rows = await this.#index.page('entry', { limit: LOAD_ROWS, ...(after !== undefined && { after }) });
      for (const { key, value } of rows) this.#take(key, value);
      const last = rows.at(-1);
      if (last === undefined) break;
      after = last.key;
      count += rows.length;
      if (count >= FEW_ROWS && count - rows.length < FEW_ROWS) await whenLarge();
      await step();
    }
    this.#kept = undefined;
    this.#forgotten = undefined;
  }

  hot(digest: Digest): Entry | undefined {
    return this.catalogue.get(digest);
  }

  /** The entry; out of its row where that was not read yet. */
  async find(digest: Digest): Promise<Entry | undefined> {
    if (!this.isLoaded && this.catalogue.get(digest) === undefined && this.#forgotten?.has(digest) !== true) {
      this.#take(digest, await this.#index.get<unknown>('entry', digest));
    }
    return this.catalogue.get(digest);
  }

  /** Notes content that has come into the store. What was held already is used by that: somebody has asked for it. */
  async remember(entry: Entry): Promise<void> {
    const before = await this.find(entry.digest);
    if (before !== undefined) this.touch(entry.digest);
    const use = (before && this.catalogue.use(entry.digest)) ?? { usedAt: entry.storedAt, uses: 1 };
    if (before === undefined) this.#count(entry.sizeBytes, 1);
    else this.#count(entry.sizeBytes - before.sizeBytes, 0);
    this.#put(entry, use);
    await this.#index.set('entry', entry.digest, rowOf(entry, use));
  }

  async forget(digest: Digest): Promise<void> {
    const before = await this.find(digest);
    this.#forgotten?.add(digest);
    if (before === undefined) return;
    this.catalogue.delete(digest);
    this.#count(-before.sizeBytes, -1);
    await this.#index.delete('entry', digest);
  }

  /** As `forget`, once all rows are read; the row goes in its own time. */
  drop(digest: Digest): void {
    const before = this.catalogue.get(digest);
    if (before === undefined) return;
    this.catalogue.delete(digest);
    void this.#index.delete('entry', digest);
  }

  /** Notes that the entry is used now; the row is written some time later. */
  touch(digest: Digest): void {
    this.catalogue.touch(digest, this.#now());
  }

  describe(digest: Digest): StoredEntry | undefined {
    return this.catalogue.describe(digest);
  }

  /** Says which digests are pinned from now on, whether they are held or not. A pattern may pin all there is: in steps. */
  async setPinned(digests: ReadonlySet<Digest>): Promise<void> {
    const before = this.#pinned;
    this.#pinned = digests;
    const step = createStepper();
    for (const digest of before) {
      if (digests.has(digest)) continue;
      this.catalogue.mark(digest, 'pinned', false);
      await step();
    }
    for (const digest of digests) {
      this.catalogue.mark(digest, 'pinned', true);
      await step();
    }
  }

  /** Writes the uses since the last time into the rows, in steps. */
  async saveUses(): Promise<void> {
    const unsaved: Digest[] = [];
    await this.catalogue.walk((held) => {
      if (held.unsaved) unsaved.push(held.digest);
      return true;
    });
    for (let at = 0; at < unsaved.length; at += SAVE_ROWS) {
      await Promise.all(unsaved.slice(at, at + SAVE_ROWS).map((digest) => this.saveRow(digest)));
    }
  }

  /**
   * Writes the row of an entry as it is in memory; false where it is not in memory. What was forgotten meanwhile gets no
   * row again: index writes of one digest keep their order.
   */
  async saveRow(digest: Digest): Promise<boolean> {
    const entry = this.catalogue.get(digest);
    const use = this.catalogue.use(digest);
    if (entry === undefined || use === undefined) return false;
    this.catalogue.mark(digest, 'unsaved', false);
    await this.#index.set('entry', digest, rowOf(entry, use));
    return true;
  }

  /** Takes a row into memory, unless something newer is known of its digest. */
  #take(key: string, row: unknown): void {
    const digest = parseDigest(key);
    if (digest === undefined || !isEntryRow(row) || this.#forgotten?.has(digest) === true) return;
    if (this.catalogue.get(digest) !== undefined) return;
    const { sizeBytes, mediaType, storedAt } = row;
    this.#put({ digest, sizeBytes, mediaType, storedAt }, { usedAt: row.usedAt ?? storedAt, uses: row.uses ?? 1 });
  }

  #put(entry: Entry, use: Use): void {
    this.#forgotten?.delete(entry.digest);
    this.catalogue.set(entry, use, { pinned: this.#pinned.has(entry.digest) });
  }

  #count(bytes: number, entries: number): void {
    if (this.#kept === undefined) return;
    this.#kept = { bytes: this.#kept.bytes + bytes, entries: this.#kept.entries + entries };
  }
}

function rowOf({ sizeBytes, mediaType, storedAt }: Entry, { usedAt, uses }: Use): EntryRow {
  return { sizeBytes, ...(mediaType !== undefined && { mediaType }), storedAt, usedAt, uses };
}

/** Rows come from a file that may be damaged. */
function isEntryRow(row: unknown): row is EntryRow {
  if (typeof row !== 'object' || row === null) return false;
  const { sizeBytes, mediaType, storedAt, usedAt, uses } = row as Partial<EntryRow>;
  if (typeof sizeBytes !== 'number' || !Number.isSafeInteger(sizeBytes) || sizeBytes < 0) return false;
  const isCount = (value: unknown): boolean => value === undefined || (typeof value === 'number' && value >= 0);
  return (
    typeof storedAt === 'number' &&
    (mediaType === undefined || typeof mediaType === 'string') &&
    isCount(usedAt) &&
    isCount(uses)
  );
}
