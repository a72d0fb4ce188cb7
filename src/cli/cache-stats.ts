import type { StoreStats } from '../inventory/contract.js';
import { formatBytes } from './amounts.js';
import { type Command, renderJson, renderPairs } from './command.js';
import { ADMIN_FLAG, withInventory } from './open-inventory.js';

export const cacheStats: Command = {
  words: ['cache', 'stats'],
  summary: 'tell how much is stored',
  options: ['data-dir'],
  takesJson: true,
  flags: [ADMIN_FLAG],
  run: async (given, io) => {
    const stats = await withInventory(given, io, (inventory) => inventory.stats());
    io.out(given.json ? renderJson(stats) : renderPairs(pairsOf(stats)));
    return 0;
  },
};

function pairsOf({ bytes, entries, takenBytes, budgetBytes, scrub, fault }: StoreStats): [string, string][] {
  const pairs: [string, string][] = [
    ['stored', formatBytes(bytes)],
    ['entries', String(entries)],
  ];
  if (takenBytes !== undefined && budgetBytes !== undefined) {
    pairs.push(['budget', `${formatBytes(takenBytes)} of ${formatBytes(budgetBytes)} taken`]);
  }
  if (scrub !== undefined) {
    const bad = scrub.bad === 0 ? 'none damaged' : `${scrub.bad} damaged`;
    pairs.push(['scrub', `${Math.floor(scrub.share * 100)}% of a round, ${scrub.checked} checked, ${bad}`]);
  }
  if (fault !== undefined) pairs.push(['fault', fault]);
  return pairs;
}
