import assert from 'node:assert/strict';
import { complaintsOf } from '../soak/judge.js';
import { runSoak } from '../soak/soak.js';

/*
 * `npm run test:soak` in short: the same load on the same program, judged by the same judge with wide bounds, since a
 * few seconds say little about memory.
 */

const ANSWERS = 200;

describe('integration/soak', () => {
  it('does everything at once, gives no wrong byte and leaves nothing open (J01)', async function () {
    this.timeout(120_000);
    const result = await runSoak({
      program: ['--import', 'tsx', 'src/main.ts'],
      clients: 12,
      rounds: 2,
      maxSize: '10MiB',
      sampleEveryMs: 100,
      isOver: (answers) => answers >= ANSWERS,
    });
    assert.deepEqual(complaintsOf(result, { growth: 1 }), []);
    assert.ok(result.load.whole >= ANSWERS);
  });
});
