import { type Digest, parseDigest } from '../oci/digest.js';
import type { Held } from './catalogue.js';
import type { EntryPage, EntryQuery, Index, Inventory, StoredEntry } from './contract.js';
import type { Entries } from './entries.js';

/** Where an entry stands in a listing: by its rank, and among equals by its digest. */
interface Place {
  readonly rank: number;
  readonly digest: Digest;
}

/** What an order goes by; the least comes first. */
const RANKS = {
  size: (held: Held) => -held.sizeBytes,
  used: (held: Held) => held.usedAt,
} as const;

/**
 * Lists entries a page at a time. By digest, a page is a few rows of the index; by size or use it is found by a walk
 * over all entries in memory (some 50 ms of CPU for a million, in steps), which keeps no more than two pages.
 */
export function createInventory(entries: Entries, index: Index, loaded: Promise<unknown>): Inventory {
  async function byDigest({ after, limit }: EntryQuery): Promise<EntryPage> {
    const rows = await index.page('entry', { limit, ...(after !== undefined && { after }) });
    const listed: StoredEntry[] = [];
    for (const { key } of rows) {
      const entry = await describe(key as Digest);
      if (entry !== undefined) listed.push(entry);
    }
    return { entries: listed, next: rows.length < limit ? undefined : rows.at(-1)?.key };
  }

  async function byRank({ after, limit }: EntryQuery, rankOf: (held: Held) => number): Promise<EntryPage> {
    await loaded;
    const from = after === undefined ? undefined : readPlace(after);
    const places = await firstPlaces(entries, limit, rankOf, from);
    const listed = places.flatMap(({ digest }) => entries.describe(digest) ?? []);
    const last = places.at(-1);
    return { entries: listed, next: places.length < limit || last === undefined ? undefined : writePlace(last) };
  }

  async function describe(digest: Digest): Promise<StoredEntry | undefined> {
    await entries.find(digest);
    return entries.describe(digest);
  }

  return {
    list: (query) => (query.order === 'digest' ? byDigest(query) : byRank(query, RANKS[query.order])),
    describe,
  };
}

/** The first places after `from`, in order. */
async function firstPlaces(
  entries: Entries,
  limit: number,
  rankOf: (held: Held) => number,
  from: Place | undefined,
): Promise<Place[]> {
  let places: Place[] = [];
  let worst: Place | undefined;
  await entries.catalogue.walk((held) => {
    const rank = rankOf(held);
    if ((from && rank < from.rank) || (worst && rank > worst.rank)) return true;
    const place = { rank, digest: held.digest };
    if ((from && compare(place, from) <= 0) || (worst && compare(place, worst) >= 0)) return true;
    places.push(place);
    if (places.length < limit * 2) return true;
    places = places.toSorted(compare).slice(0, limit);
    worst = places.at(-1);
    return true;
  });
  return places.toSorted(compare).slice(0, limit);
}

function compare(a: Place, b: Place): number {
  if (a.rank !== b.rank) return a.rank - b.rank;
  if (a.digest === b.digest) return 0;
  return a.digest < b.digest ? -1 : 1;
}

function writePlace({ rank, digest }: Place): string {
  return `${rank} ${digest}`;
}

/** A cursor that makes no sense begins at the start. */
function readPlace(text: string): Place | undefined {
  const [rank = '', digest = ''] = text.split(' ');
  const parsed = parseDigest(digest);
  return parsed === undefined || !/^-?\d{1,16}$/.test(rank) ? undefined : { rank: Number(rank), digest: parsed };
}
