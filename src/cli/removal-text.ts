import type { Amount, RemovalReport } from '../inventory/contract.js';
import { formatBytes, formatCount } from './amounts.js';
import { printable } from './table.js';

/** Holders that are named. */
const NAMED_HOLDERS = 5;

/** A report of a removal in a few lines. */
export function describeRemoval(report: RemovalReport): string {
  const { dryRun, removed, shared, pinned, used, failed, tags, sharedWith } = report;
  const lines = [
    `${dryRun ? 'Would remove' : 'Removed'} ${amount(removed)}${tags === 0 ? '' : ` and ${formatCount(tags, 'tag')}`}.`,
  ];
  if (shared.entries > 0) {
    const named = sharedWith.slice(0, NAMED_HOLDERS).map(printable).join(', ');
    const more = sharedWith.length > NAMED_HOLDERS ? ' and others' : '';
    lines.push(`Kept ${amount(shared)}, shared with ${named === '' ? 'other images' : `${named}${more}`}.`);
  }
  if (pinned.entries > 0) lines.push(`Kept ${amount(pinned)}, pinned.`);
  if (used.entries > 0) lines.push(`Kept ${amount(used)}, used since then.`);
  if (failed.entries > 0) lines.push(`Could not remove ${amount(failed)}.`);
  if (report.aborted) lines.push('It was interrupted; run it again for the rest.');
  return lines.map((line) => `${line}\n`).join('');
}

function amount({ entries, bytes }: Amount): string {
  return `${formatCount(entries, 'content')} of ${formatBytes(bytes)}`;
}
