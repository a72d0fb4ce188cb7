import assert from 'node:assert/strict';
import { createStepper } from '../../src/cache/stepper.js';

describe('cache/stepper', () => {
  it('lets others run once a step has taken its time, and not before', async () => {
    let now = 0;
    const step = createStepper(() => now);
    let othersRan = false;
    setImmediate(() => {
      othersRan = true;
    });
    now = 3;
    await step();
    assert.equal(othersRan, false);
    now = 4;
    await step();
    assert.equal(othersRan, true);
  });
});
