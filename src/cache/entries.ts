import type { Digest } from '../oci/digest.js';
import { type BoundedMap, createBoundedMap } from './bounded-map.js';
import type { Entry, Index } from './contract.js';

const HOT_ENTRIES = 100_000;

interface EntryRow {
  readonly sizeBytes: number;
  readonly mediaType?: string;
  readonly storedAt: number;
}

/** Entries in memory and in the index, and what they come to in all. Callers change one digest at a time. */
export class Entries {
  readonly #index: Index;
  readonly #hot: BoundedMap<Digest, Entry> = createBoundedMap(HOT_ENTRIES);
  #bytes = 0;
  #entries = 0;

  constructor(index: Index) {
    this.#index = index;
  }

  get usage(): { readonly bytes: number; readonly entries: number } {
    return { bytes: this.#bytes, entries: this.#entries };
  }

  /** Takes the totals from the rows that are there. */
  async load(): Promise<void> {
    const { bytes, entries } = await this.#index.totals();
    this.#bytes = bytes;
    this.#entries = entries;
  }

  hot(digest: Digest): Entry | undefined {
    return this.#hot.get(digest);
  }

  async find(digest: Digest): Promise<Entry | undefined> {
    const known = this.#hot.get(digest);
    if (known !== undefined) return known;
    const row = await this.#index.get<unknown>('entry', digest);
    if (!isEntryRow(row)) return undefined;
    return { digest, sizeBytes: row.sizeBytes, mediaType: row.mediaType, storedAt: row.storedAt };
  }

  /** As `find`, and keeps what it found in memory. Only for a caller that holds the digest's turn. */
  async recall(digest: Digest): Promise<Entry | undefined> {
    const entry = await this.find(digest);
    if (entry !== undefined) this.#hot.set(digest, entry);
    return entry;
  }

  async remember(entry: Entry): Promise<void> {
    const { digest, sizeBytes, mediaType, storedAt } = entry;
    const before = await this.find(digest);
    this.#bytes += sizeBytes - (before?.sizeBytes ?? 0);
    this.#entries += before === undefined ? 1 : 0;
    this.#hot.set(digest, entry);
    const row: EntryRow = mediaType === undefined ? { sizeBytes, storedAt } : { sizeBytes, mediaType, storedAt };
    await this.#index.set('entry', digest, row);
  }

  async forget(digest: Digest): Promise<void> {
    const before = await this.find(digest);
    this.#hot.delete(digest);
    if (before === undefined) return;
    this.#bytes -= before.sizeBytes;
    this.#entries -= 1;
    await this.#index.delete('entry', digest);
  }
}

/** Rows come from a file that may be damaged. */
function isEntryRow(row: unknown): row is EntryRow {
  if (typeof row !== 'object' || row === null) return false;
  const { sizeBytes, mediaType, storedAt } = row as Partial<EntryRow>;
  if (typeof sizeBytes !== 'number' || !Number.isSafeInteger(sizeBytes) || sizeBytes < 0) return false;
  return typeof storedAt === 'number' && (mediaType === undefined || typeof mediaType === 'string');
}
