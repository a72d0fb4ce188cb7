import type { LoadReport } from '../crash/mixed-load.js';
import { mean, residentGrowth, type Sample } from './samples.js';

/** What a soak has seen of one proxy. */
export interface SoakResult {
  readonly load: LoadReport;
  /** At rest: before the load, and when its last connection was gone. */
  readonly before: Sample;
  readonly after: Sample;
  /** Under load. */
  readonly samples: readonly Sample[];
}

export interface SoakBounds {
  /** How far memory may rise over the second half, as a part of its mean. */
  readonly growth: number;
}

/** How many more descriptors and handles there may be at the end: something always happens just now. */
export const MORE_ALLOWED = 4;

/** What is wrong, in words; empty where all is well. */
export function complaintsOf(result: SoakResult, bounds: SoakBounds): readonly string[] {
  const { load, before, after, samples } = result;
  const complaints = load.wrong.map((what) => `wrong bytes: ${what}`);
  if (load.broken > 0) complaints.push(`${load.broken} failures, such as ${load.faults.join('; ')}`);
  if (load.whole === 0) complaints.push('nothing was answered');
  const growth = residentGrowth(samples);
  const usual = mean(samples.map((one) => one.residentBytes));
  if (growth > bounds.growth * usual) {
    complaints.push(`memory rose by ${inMiB(growth)} over the second half, from about ${inMiB(usual)}`);
  }
  for (const what of ['descriptors', 'handles'] as const) {
    if (after[what] > before[what] + MORE_ALLOWED) complaints.push(`${after[what]} ${what}, ${before[what]} before`);
  }
  return complaints;
}

export function inMiB(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
