import assert from 'node:assert/strict';
import { loadConfig } from '../../src/config/load.js';
import { DEFAULT_TIMEOUTS } from '../../src/upstream/timeouts.js';

describe('upstream/timeouts', () => {
  it('are by default those of the options', () => {
    const { upstreamTimeouts } = loadConfig({ flags: {}, env: {}, cwd: '/' });
    assert.deepEqual(DEFAULT_TIMEOUTS, upstreamTimeouts);
  });
});
