import { evictionScore } from '../../src/cache/eviction-score.js';
import { makePullTrace, type TraceOptions, USUAL_TRACE } from '../support/pull-trace.js';
import { type HitRatios, LRU, type Policy, simulateStore } from '../support/simulate-store.js';

/** What other policies find in the same traces: `npm run bench:eviction` prints the table. No clock is involved. */
const POLICIES: readonly (readonly [string, Policy])[] = [
  ['LRU', LRU],
  ['LRU, uses', { score: (idleMs, _, uses) => (idleMs + 60_000) / Math.min(uses, 8) }],
  ['largest first', { score: (_, sizeBytes) => sizeBytes }],
  ['ours, large at once', { score: evictionScore }],
  ['ours', { score: evictionScore, largeShare: 1 / 8 }],
];

const TRACES: readonly (readonly [string, TraceOptions])[] = [
  ['usual', USUAL_TRACE],
  ['flat (0.7)', { ...USUAL_TRACE, seed: 2, exponent: 0.7 }],
  ['steep (1.1), few builds', { ...USUAL_TRACE, seed: 3, exponent: 1.1, oneOff: 0.1 }],
  ['many builds, many giants', { ...USUAL_TRACE, seed: 4, oneOff: 0.5, giantEvery: 100 }],
];

const SHARES = [0.03, 0.1];

function percent(ratio: number): string {
  return `${(ratio * 100).toFixed(1)} %`;
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |\n`;
}

function cellsOf({ contents, bytes, small, pulls }: HitRatios): string[] {
  return [contents, bytes, small, pulls].map(percent);
}

const { stdout } = process;
stdout.write(row(['trace', 'store', 'policy', 'contents', 'bytes', 'below 1 MiB', 'whole pulls']));
stdout.write('|---|---|---|---|---|---|---|\n');
for (const [name, options] of TRACES) {
  const trace = makePullTrace(options);
  const totalBytes = trace.sizes.reduce((sum, bytes) => sum + bytes, 0);
  for (const share of SHARES) {
    const store = `${percent(share)} of ${Math.round(totalBytes / 2 ** 30)} GiB`;
    for (const [policy, how] of POLICIES) {
      stdout.write(row([name, store, policy, ...cellsOf(simulateStore(trace, totalBytes * share, how))]));
    }
  }
}
