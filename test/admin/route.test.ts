import assert from 'node:assert/strict';
import { refusal } from '../../src/admin/route.js';

describe('admin/route', () => {
  it('has one form for all errors', () => {
    assert.deepEqual(refusal(404, 'it is not there'), { status: 404, headers: {}, body: { error: 'it is not there' } });
    assert.deepEqual(refusal(503, 'busy', { 'retry-after': '1' }).headers, { 'retry-after': '1' });
  });
});
