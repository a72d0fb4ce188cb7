import { type Digest, parseDigest } from '../oci/digest.js';
import type { Held } from './catalogue.js';
import type { EntryPage, EntryQuery, Index, Inventory, StoredEntry } from './contract.js';
import type { Entries } from './entries.js';
import { firstPlaces, type Place } from './first-places.js';

/** What an order goes by; the least comes first. */
const RANKS = {
  size: (held: Held) => -held.sizeBytes,
  used: (held: Held) => held.usedAt,
} as const;

interface Parts {
  readonly entries: Entries;
  readonly index: Index;
  /** Settles when all rows were read. */
  readonly loaded: Promise<unknown>;
  readonly refreshPins: () => Promise<void>;
}

/**
 * Lists entries a page at a time. By digest, a page is a few rows of the index; by size or use it is found by a walk
 * over all entries in memory (some 50 ms of CPU for a million, in steps), which keeps no more than two pages.
 */
export function createInventory({ entries, index, loaded, refreshPins }: Parts): Inventory {
  async function byDigest({ after, limit }: EntryQuery): Promise<EntryPage> {
    await refreshPins();
    const rows = await index.page('entry', { limit, ...(after !== undefined && { after }) });
    const listed: StoredEntry[] = [];
    for (const { key } of rows) {
      const entry = await find(key as Digest);
      if (entry !== undefined) listed.push(entry);
    }
    return { entries: listed, next: rows.length < limit ? undefined : rows.at(-1)?.key };
  }

  async function byRank({ after, limit }: EntryQuery, rankOf: (held: Held) => number): Promise<EntryPage> {
    await Promise.all([loaded, refreshPins()]);
    const from = after === undefined ? undefined : readPlace(after);
    const places = await firstPlaces(entries.catalogue, limit, rankOf, from);
    const listed = places.flatMap(({ digest }) => entries.describe(digest) ?? []);
    const last = places.at(-1);
    return { entries: listed, next: places.length < limit || last === undefined ? undefined : writePlace(last) };
  }

  async function find(digest: Digest): Promise<StoredEntry | undefined> {
    await entries.find(digest);
    return entries.describe(digest);
  }

  return {
    list: (query) => (query.order === 'digest' ? byDigest(query) : byRank(query, RANKS[query.order])),
    async describe(digest) {
      await refreshPins();
      return find(digest);
    },
  };
}

function writePlace({ rank, digest }: Place): string {
  return `${rank} ${digest}`;
}

/** A cursor that makes no sense begins at the start. */
function readPlace(text: string): Pick<Place, 'rank' | 'digest'> | undefined {
  const [rank = '', digest = ''] = text.split(' ');
  const parsed = parseDigest(digest);
  return parsed === undefined || !/^-?\d{1,16}$/.test(rank) ? undefined : { rank: Number(rank), digest: parsed };
}
