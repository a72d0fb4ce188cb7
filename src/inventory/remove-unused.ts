import type { StoredEntry } from '../cache/contract.js';
import type { RemovalReport, Selection, Work } from './contract.js';
import { RemovalTally } from './removal-tally.js';
import { letGo, type RemovalParts } from './remove-images.js';
import { createTurns } from './turns.js';

/** Each page is found by a walk over all entries. */
const PAGE_ENTRIES = 1000;
/** Removed side by side: rows are then written many at a time. */
const AT_ONCE = 64;

/**
 * Removes what nobody used for a time, or what was unused for longest until the store is small enough. Each piece of
 * content counts for itself, as it does when the store makes room. What is pinned stays.
 */
export async function removeUnused(
  parts: RemovalParts,
  { unusedMs, toBytes = 0 }: Selection,
  dryRun: boolean,
  storeBytes: number,
  { onProgress = () => {}, signal }: Work,
): Promise<RemovalReport> {
  const tally = new RemovalTally(dryRun);
  const turn = createTurns(signal);
  const usedBefore = unusedMs === undefined ? Number.POSITIVE_INFINITY : parts.now() - unusedMs;
  const surplus = unusedMs === undefined ? storeBytes - toBytes : Number.POSITIVE_INFINITY;
  const isDone = (entry: StoredEntry): boolean => entry.usedAt >= usedBefore || tally.removed.bytes >= surplus;
  try {
    for await (const group of groups(parts)) {
      await turn();
      const due: StoredEntry[] = [];
      let bytes = tally.removed.bytes;
      for (const entry of group) {
        if (entry.usedAt >= usedBefore || bytes >= surplus) break;
        due.push(entry);
        bytes += entry.pinned ? 0 : entry.sizeBytes;
      }
      await Promise.all(due.map((entry) => removeOne(parts, entry, dryRun, tally)));
      const share = Number.isFinite(surplus) ? Math.min(1, tally.removed.bytes / surplus) : undefined;
      onProgress({ ...(share === undefined ? {} : { share }), text: `${tally.removed.entries} removed` });
      if (group.some(isDone)) break;
    }
    return tally.report(false);
  } catch (error) {
    if (signal?.aborted !== true) throw error;
    return tally.report(true);
  }
}

/** Removes one digest, and nothing else; undefined where it is not held. */
export async function removeDigest(
  parts: RemovalParts,
  { digest, unusedMs = 0 }: Selection,
  dryRun: boolean,
): Promise<RemovalReport | undefined> {
  const entry = digest && (await parts.source.describe(digest));
  if (entry === undefined) return undefined;
  const tally = new RemovalTally(dryRun);
  if (unusedMs > 0 && entry.usedAt >= parts.now() - unusedMs) tally.count(entry, 'used');
  else await removeOne(parts, entry, dryRun, tally);
  return tally.report(false);
}

async function removeOne(parts: RemovalParts, entry: StoredEntry, dryRun: boolean, tally: RemovalTally): Promise<void> {
  if (entry.pinned) tally.count(entry, 'pinned');
  else tally.count(entry, dryRun ? 'removed' : await letGo(parts, entry.digest));
}

/** All entries from the one that was unused for longest, a few at a time. */
async function* groups({ inventory }: RemovalParts): AsyncGenerator<readonly StoredEntry[]> {
  let after: string | undefined;
  do {
    const cursor = after === undefined ? {} : { after };
    const { entries, next } = await inventory.list({ order: 'used', limit: PAGE_ENTRIES, ...cursor });
    for (let at = 0; at < entries.length; at += AT_ONCE) yield entries.slice(at, at + AT_ONCE);
    after = next;
  } while (after !== undefined);
}
