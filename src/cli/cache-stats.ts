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
    const { bytes, entries, fault } = stats;
    const pairs: [string, string][] = [
      ['stored', formatBytes(bytes)],
      ['entries', String(entries)],
      ...(fault === undefined ? [] : ([['fault', fault]] satisfies [string, string][])),
    ];
    io.out(given.json ? renderJson(stats) : renderPairs(pairs));
    return 0;
  },
};
