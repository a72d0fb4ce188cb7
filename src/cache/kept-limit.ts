import type { Space } from './budget.js';

/** What beginnings of downloads may take of the budget. They are worth something only if somebody asks again. */
const KEPT_SHARE = 0.1;

/** How many bytes of beginnings may be kept; nothing where the store or the file system is beyond its limits already. */
export function keptLimitBytes(space: Space | undefined): number {
  if (space === undefined) return Number.POSITIVE_INFINITY;
  const { budgetBytes, budgetRoomBytes, diskRoomBytes } = space;
  return Math.min(budgetRoomBytes, diskRoomBytes) < 0 ? 0 : budgetBytes * KEPT_SHARE;
}
