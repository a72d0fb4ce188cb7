import type { StoreStats } from '../inventory/contract.js';
import { formatAge, formatBytes, formatCount } from './amounts.js';
import { type Command, renderJson, renderPairs } from './command.js';
import { ADMIN_FLAG, withInventory } from './open-inventory.js';

export const cacheStats: Command = {
  words: ['cache', 'stats'],
  summary: 'tell how much is stored, of which budget, and what was evicted and damaged',
  options: ['data-dir'],
  takesJson: true,
  flags: [ADMIN_FLAG],
  run: async (given, io) => {
    const stats = await withInventory(given, io, (inventory) => inventory.stats());
    io.out(given.json ? renderJson(stats) : renderPairs(pairsOf(stats, Date.now())));
    return 0;
  },
};

function pairsOf(stats: StoreStats, now: number): [string, string][] {
  const { bytes, entries, takenBytes, budgetBytes, roomBytes, scrub, rebuildShare, fault } = stats;
  const pairs: [string, string][] = [
    ['stored', formatBytes(bytes)],
    ['entries', String(entries)],
  ];
  if (takenBytes !== undefined && budgetBytes !== undefined) {
    pairs.push(['budget', `${formatBytes(takenBytes)} of ${formatBytes(budgetBytes)} taken`]);
  }
  if (roomBytes !== undefined) pairs.push(['room', formatBytes(roomBytes)]);
  pairs.push(...happenings(stats, now));
  if (rebuildShare !== undefined) pairs.push(['rebuild', `${Math.floor(rebuildShare * 100)}% of the index`]);
  if (scrub !== undefined) {
    const bad = scrub.bad === 0 ? 'none damaged' : `${scrub.bad} damaged`;
    pairs.push(['scrub', `${Math.floor(scrub.share * 100)}% of a round, ${scrub.checked} checked, ${bad}`]);
  }
  if (fault !== undefined) pairs.push(['fault', fault]);
  return pairs;
}

/** What has happened to the store; what never has is left out, but for evictions, which people ask for. */
function happenings(
  { evicted, lastEvictedAt, damaged, quarantine, kept }: StoreStats,
  now: number,
): [string, string][] {
  const pairs: [string, string][] = [];
  if (evicted !== undefined) {
    const amount = `${formatCount(evicted.entries, 'content')} of ${formatBytes(evicted.bytes)} since the start`;
    const last = lastEvictedAt === undefined ? '' : `, the last ${formatAge(lastEvictedAt, now)}`;
    pairs.push(['evicted', evicted.entries === 0 ? 'nothing since the start' : `${amount}${last}`]);
  }
  if (damaged > 0) pairs.push(['damaged', `${formatCount(damaged, 'content')} since the start`]);
  if (quarantine.entries > 0)
    pairs.push(['quarantine', `${formatCount(quarantine.entries, 'file')} of ${formatBytes(quarantine.bytes)}`]);
  if (kept.entries > 0)
    pairs.push(['unfinished', `${formatCount(kept.entries, 'download')}, ${formatBytes(kept.bytes)} kept`]);
  return pairs;
}
