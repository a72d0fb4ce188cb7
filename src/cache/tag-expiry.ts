import type { FactStore, Row } from './contract.js';

const DAY_MS = 86_400_000;
/** Whoever looks up a tag later than that has to fetch its manifest once more, though it may be held. */
const KEEP_DAYS = 90;
const KEEP_TAGS = 100_000;
const STEP_ROWS = 1_000;

/**
 * Forgets where tags pointed that nobody has looked up for 90 days, and of more than `keepTags` the oldest: clients choose
 * the names of tags, and each is a row.
 */
export async function expireTags(facts: FactStore, now: number, keepTags: number = KEEP_TAGS): Promise<void> {
  const perDay = Array.from({ length: KEEP_DAYS + 1 }, () => 0);
  for await (const rows of pages(facts)) {
    for (const row of rows) perDay[ageDays(row, now)] = (perDay[ageDays(row, now)] ?? 0) + 1;
  }
  let room = keepTags;
  const limit = perDay.findIndex((count) => {
    room -= count;
    return room < 0;
  });
  // Of the day on which it becomes too many, so many go.
  let overdue = limit === -1 ? 0 : -room;
  for await (const rows of pages(facts)) {
    const expired = rows.filter((row) => {
      const age = ageDays(row, now);
      if (age === KEEP_DAYS || (limit !== -1 && age > limit)) return true;
      if (age !== limit || overdue === 0) return false;
      overdue -= 1;
      return true;
    });
    await Promise.all(expired.map(({ key }) => facts.delete('tag', key)));
  }
}

async function* pages(facts: FactStore): AsyncGenerator<readonly Row[]> {
  let after: string | undefined;
  for (;;) {
    const rows = await facts.page('tag', { limit: STEP_ROWS, ...(after !== undefined && { after }) });
    const last = rows.at(-1);
    if (last === undefined) return;
    yield rows;
    after = last.key;
  }
}

/** Whole days, KEEP_DAYS at most; 0 for a row from a future that a clock jumped to, and for one that tells no time. */
function ageDays({ value }: Row, now: number): number {
  const at = typeof value === 'object' && value !== null && 'at' in value ? value.at : undefined;
  if (typeof at !== 'number') return 0;
  return Math.min(KEEP_DAYS, Math.max(0, Math.floor((now - at) / DAY_MS)));
}
