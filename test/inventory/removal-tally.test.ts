import assert from 'node:assert/strict';
import { RemovalTally } from '../../src/inventory/removal-tally.js';
import { digestOfBytes } from '../support/memory-store.js';

function entryOf(n: number, sizeBytes: number) {
  const digest = digestOfBytes(Buffer.from(String(n)));
  return { digest, sizeBytes, mediaType: undefined, storedAt: 0, usedAt: 0, pinned: false };
}

describe('inventory/removal-tally', () => {
  it('counts by outcome', () => {
    const tally = new RemovalTally(true);
    tally.count(entryOf(1, 10), 'removed');
    tally.count(entryOf(2, 20), 'removed');
    tally.count(entryOf(3, 5), 'shared', 'a.test/x:v1');
    tally.count(entryOf(4, 7), 'shared', 'a.test/x:v1');
    tally.countTag();
    assert.deepEqual(tally.removed, { entries: 2, bytes: 30 });
    assert.equal(tally.entries, 4);
    const report = tally.report(true);
    assert.deepEqual(report.shared, { entries: 2, bytes: 12 });
    assert.deepEqual(report.failed, { entries: 0, bytes: 0 });
    assert.deepEqual(report.sharedWith, ['a.test/x:v1']);
    assert.deepEqual([report.dryRun, report.tags, report.aborted, report.items.length], [true, 1, true, 4]);
  });

  it('lists a thousand, names twenty, and counts all', () => {
    const tally = new RemovalTally(false);
    for (let n = 0; n < 1_500; n += 1) tally.count(entryOf(n, 1), 'shared', `a.test/x:${n}`);
    const report = tally.report(false);
    assert.equal(report.shared.entries, 1_500);
    assert.equal(report.items.length, 1_000);
    assert.equal(report.sharedWith.length, 20);
  });
});
