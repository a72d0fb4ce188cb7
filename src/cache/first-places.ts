import type { Digest } from '../oci/digest.js';
import { type Catalogue, type Held, headOf } from './catalogue.js';

/** Where an entry stands among all: by its rank, and among equals by its digest. */
export interface Place {
  readonly rank: number;
  readonly digest: Digest;
  readonly sizeBytes: number;
}

/**
 * The first entries in the order of what `rankOf` gives (undefined leaves an entry out), after `from` where that is
 * given. One walk over all entries, which keeps no more than twice the limit.
 */
export async function firstPlaces(
  catalogue: Catalogue,
  limit: number,
  rankOf: (held: Held) => number | undefined,
  from?: Pick<Place, 'rank' | 'digest'>,
): Promise<Place[]> {
  let places: Place[] = [];
  let worst: Place | undefined;
  let worstHead = Number.POSITIVE_INFINITY;
  await catalogue.walk((held) => {
    const rank = rankOf(held);
    if (rank === undefined || (from && rank < from.rank) || (worst && rank > worst.rank)) return true;
    // Where thousands are equal, digests decide, and to write each out takes its time.
    if (worst && rank === worst.rank && held.head > worstHead) return true;
    const place = { rank, digest: held.digest, sizeBytes: held.sizeBytes };
    if ((from && compare(place, from) <= 0) || (worst && compare(place, worst) >= 0)) return true;
    places.push(place);
    if (places.length < limit * 2) return true;
    places = places.toSorted(compare).slice(0, limit);
    worst = places.at(-1);
    worstHead = worst === undefined ? Number.POSITIVE_INFINITY : headOf(worst.digest);
    return true;
  });
  return places.toSorted(compare).slice(0, limit);
}

function compare(a: Pick<Place, 'rank' | 'digest'>, b: Pick<Place, 'rank' | 'digest'>): number {
  if (a.rank !== b.rank) return a.rank - b.rank;
  if (a.digest === b.digest) return 0;
  return a.digest < b.digest ? -1 : 1;
}
