import assert from 'node:assert/strict';
import { createBusyMeter } from '../../src/cache/busy-meter.js';

describe('cache/busy-meter', () => {
  it('is busy while bodies are on their way, or the thread has worked since the last look', () => {
    const pool = { outBytes: 0 };
    const loop = { idle: 0, active: 0, utilization: 0 };
    const isBusy = createBusyMeter(pool, () => ({ ...loop }));
    loop.idle = 100;
    assert.equal(isBusy(), false);
    loop.active = 60;
    loop.idle = 200;
    assert.equal(isBusy(), true);
    loop.idle = 300;
    assert.equal(isBusy(), false);
    pool.outBytes = 1;
    assert.equal(isBusy(), true);
  });
});
