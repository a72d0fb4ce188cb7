import assert from 'node:assert/strict';
import { ResumeFault } from '../../src/cache/resume-fault.js';

describe('cache/resume-fault', () => {
  it('is a truncation by the upstream, which refused nobody and named no time unless it says so', () => {
    const plain = new ResumeFault('the upstream would not go on', {});
    assert.deepEqual(
      [plain.code, plain.source, plain.isRefusal, plain.retryAfterMs],
      ['upstream-truncated', 'upstream', false, 0],
    );
    const refused = new ResumeFault('the registry said no', { isRefusal: true, retryAfterMs: 5 });
    assert.deepEqual([refused.isRefusal, refused.retryAfterMs], [true, 5]);
  });
});
