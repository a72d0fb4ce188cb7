import assert from 'node:assert/strict';
import { createTurns } from '../../src/inventory/turns.js';

describe('inventory/turns', () => {
  it('lets others have their turn now and then', async () => {
    let time = 0;
    const turn = createTurns(undefined, () => time);
    const others = new Set<string>();
    setImmediate(() => others.add('immediate'));
    for (let n = 0; n < 300; n += 1) await turn();
    assert.equal(others.size, 0);
    // A step has taken its time.
    time += 5;
    await turn();
    assert.equal(others.size, 1);
  });

  it('ends the work when its signal says so', async () => {
    const ending = new AbortController();
    const turn = createTurns(ending.signal);
    await turn();
    ending.abort();
    await assert.rejects(turn(), { name: 'AbortError' });
  });
});
