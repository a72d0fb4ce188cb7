import type { ThreatCase } from './cases.js';

/** What one test said. */
export interface Result {
  readonly title: string;
  readonly passed: boolean;
}

export type Verdict = 'passed' | 'failed' | 'left out' | 'not covered';

export interface Row extends ThreatCase {
  readonly verdict: Verdict;
  /** Tests that name the row. */
  readonly tests: number;
  /** Why there is no test, where the row is left out. */
  readonly reason?: string;
}

/** A row's id as it stands in a title: a letter of a section and its number. */
export const THREAT_ID = /\b(?:[A-L]\d{2}|W\d{1,2})\b/g;

/** The rows in their order, with what the tests that name them said. One failed test fails its row. */
export function tableOf(
  cases: readonly ThreatCase[],
  results: readonly Result[],
  leftOut: Readonly<Record<string, string>>,
): Row[] {
  const byId = new Map<string, Result[]>();
  for (const result of results) {
    for (const id of new Set(result.title.match(THREAT_ID))) byId.set(id, [...(byId.get(id) ?? []), result]);
  }
  return cases.map((row) => {
    const named = byId.get(row.id) ?? [];
    const reason = leftOut[row.id];
    const verdict = verdictOf(named, reason);
    return { ...row, verdict, tests: named.length, ...(verdict === 'left out' && reason !== undefined && { reason }) };
  });
}

function verdictOf(results: readonly Result[], reason: string | undefined): Verdict {
  if (results.some(({ passed }) => !passed)) return 'failed';
  if (results.length > 0) return 'passed';
  return reason === undefined ? 'not covered' : 'left out';
}

/** Rows that must not stay as they are: failed ones, and those of the first two priorities that nothing covers. */
export function unacceptable(rows: readonly Row[]): readonly Row[] {
  return rows.filter(({ verdict, priority }) => verdict === 'failed' || (verdict === 'not covered' && priority < 2));
}

/** Ids in titles that no row has: a slip of the pen, or a row that somebody forgot. */
export function unknownIds(cases: readonly ThreatCase[], results: readonly Result[]): readonly string[] {
  const known = new Set(cases.map(({ id }) => id));
  const named = new Set(results.flatMap(({ title }) => title.match(THREAT_ID) ?? []));
  return [...named].filter((id) => !known.has(id)).sort();
}

/** The table as people read it. */
export function printed(rows: readonly Row[]): string {
  const lines = rows.map(({ id, priority, verdict, tests, title, reason }) => {
    const count = tests > 0 ? `${verdict} (${tests})` : verdict;
    return `${id.padEnd(4)} P${priority}  ${count.padEnd(13)} ${title}${reason === undefined ? '' : `: ${reason}`}`;
  });
  const counts = (['passed', 'failed', 'left out', 'not covered'] as const).map((verdict) => {
    return `${rows.filter((row) => row.verdict === verdict).length} ${verdict}`;
  });
  return `${lines.join('\n')}\n${rows.length} threats: ${counts.join(', ')}\n`;
}
