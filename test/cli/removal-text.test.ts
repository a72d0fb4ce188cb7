import assert from 'node:assert/strict';
import { describeRemoval } from '../../src/cli/removal-text.js';
import type { RemovalReport } from '../../src/inventory/contract.js';

const NONE = { entries: 0, bytes: 0 };
const REPORT: RemovalReport = {
  dryRun: false,
  removed: { entries: 4, bytes: 2_048 },
  shared: NONE,
  pinned: NONE,
  used: NONE,
  failed: NONE,
  tags: 1,
  sharedWith: [],
  items: [],
  aborted: false,
};

describe('cli/removal-text', () => {
  it('says in a line what was removed, or would be', () => {
    assert.equal(describeRemoval(REPORT), 'Removed 4 contents of 2.0 KiB and 1 tag.\n');
    assert.equal(describeRemoval({ ...REPORT, dryRun: true, tags: 0 }), 'Would remove 4 contents of 2.0 KiB.\n');
  });

  it('says what was kept, and why', () => {
    const one = { entries: 1, bytes: 10 };
    const sharedWith = ['a.test/x:1', 'a.test/x:\u001b2', 'a.test/x:3', 'a.test/x:4', 'a.test/x:5', 'a.test/x:6'];
    const text = describeRemoval({
      ...REPORT,
      shared: one,
      pinned: one,
      used: one,
      failed: one,
      sharedWith,
      aborted: true,
    });
    assert.deepEqual(text.split('\n').slice(1), [
      'Kept 1 content of 10 B, shared with a.test/x:1, a.test/x:?2, a.test/x:3, a.test/x:4, a.test/x:5 and others.',
      'Kept 1 content of 10 B, pinned.',
      'Kept 1 content of 10 B, used since then.',
      'Could not remove 1 content of 10 B.',
      'It was interrupted; run it again for the rest.',
      '',
    ]);
    assert.match(describeRemoval({ ...REPORT, shared: one }), /shared with other images\.$/m);
  });
});
