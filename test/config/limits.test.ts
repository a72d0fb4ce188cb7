import assert from 'node:assert/strict';
import { LIMITS } from '../../src/config/limits.js';

describe('config/limits', () => {
  it('never gives one client all there is', () => {
    for (const [name, limit] of Object.entries(LIMITS)) {
      if ('total' in limit) assert.ok(limit.perClient * 2 <= limit.total, name);
    }
  });
});
