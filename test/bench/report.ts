import type { CaseResult, Fact, Row, Sample } from './case.js';

const MIB = 1024 ** 2;

/** The middle, the lowest and the highest of some figures. */
export interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

export function spread(values: readonly number[]): Spread | undefined {
  if (values.length === 0) return undefined;
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? 0;
  const median = sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? 0)) / 2;
  return { median, low: sorted[0] ?? 0, high: sorted.at(-1) ?? 0 };
}

type Field = 'cpuSeconds' | 'wallMs' | 'firstByteMs' | 'peakBytes' | 'upstreamRequests' | 'upstreamBytes';

export function fieldSpread(row: Row, field: Field): Spread | undefined {
  return spread(row.samples.map((sample: Sample) => sample[field]).filter((value) => value !== undefined));
}

/** Each run as a ratio to what the reference took in the same round. */
export function ratios(row: Row, reference: Row | undefined, field: 'cpuSeconds' | 'wallMs'): Spread | undefined {
  const values = row.samples.map((sample, round) => {
    const mine = sample[field];
    const theirs = reference?.samples[round]?.[field];
    return mine === undefined || theirs === undefined || theirs === 0 ? undefined : mine / theirs;
  });
  return spread(values.filter((value) => value !== undefined));
}

/** All results as Markdown: what stands in RESULTS.md and what is printed. */
export function report(results: readonly CaseResult[]): string {
  return results.map((result) => `### ${result.title}\n\n${caseTables(result)}`).join('\n');
}

function caseTables(result: CaseResult): string {
  const parts: string[] = [];
  if (result.rows.length > 0) parts.push(rowsTable(result));
  if (result.facts.length > 0) parts.push(factsTable(result.facts));
  return parts.join('\n');
}

function rowsTable({ rows, reference, per }: CaseResult): string {
  const base = rows.find((row) => row.peer === reference);
  const cpuUnit = per?.unit === 'GiB' ? 'CPU s/GiB' : 'CPU ms';
  const head = [
    'server',
    cpuUnit,
    'CPU ratio',
    'wall ratio',
    'wall ms',
    'first byte ms',
    'peak MiB',
    'asked',
    'fetched MiB',
  ];
  const lines = rows.map((row) => {
    if (row.missing !== undefined) return [row.title, row.missing, ...Array<string>(head.length - 2).fill('')];
    const scale = per === undefined ? 1 : (per.unit === 'GiB' ? 1 : 1000) / per.amount;
    const isReference = row === base;
    return [
      row.title,
      number(fieldSpread(row, 'cpuSeconds')?.median, scale),
      isReference ? '1' : range(ratios(row, base, 'cpuSeconds')),
      isReference ? '1' : range(ratios(row, base, 'wallMs')),
      number(fieldSpread(row, 'wallMs')?.median, 1, 0),
      number(fieldSpread(row, 'firstByteMs')?.median, 1, 1),
      number(fieldSpread(row, 'peakBytes')?.median, 1 / MIB, 0),
      number(fieldSpread(row, 'upstreamRequests')?.median, 1, 0),
      number(fieldSpread(row, 'upstreamBytes')?.median, 1 / MIB, 0),
    ];
  });
  return table(head, lines);
}

function factsTable(facts: readonly Fact[]): string {
  const lines = facts.map(({ what, value, reach, reached }) => [
    what,
    value,
    reach ?? '',
    reached === undefined ? '' : reached ? 'yes' : 'no',
  ]);
  return table(['what', 'measured', 'to reach', 'reached'], lines);
}

export function table(head: readonly string[], lines: readonly (readonly string[])[]): string {
  const all = [head, head.map(() => '---'), ...lines];
  return `${all.map((cells) => `| ${cells.join(' | ')} |`).join('\n')}\n`;
}

function number(value: number | undefined, scale: number, digits = 2): string {
  return value === undefined ? '' : (value * scale).toFixed(digits);
}

/** `1.10 (1.05 to 1.20)` */
export function range(values: Spread | undefined): string {
  if (values === undefined) return '';
  return `${values.median.toFixed(2)} (${values.low.toFixed(2)} to ${values.high.toFixed(2)})`;
}
