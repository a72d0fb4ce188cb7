import assert from 'node:assert/strict';
import { complaintsOf, type SoakResult } from './judge.js';
import { residentGrowth, type Sample } from './samples.js';

const MIB = 2 ** 20;
const BOUNDS = { growth: 0.1 };

function sample(at: number, more: Partial<Sample> = {}): Sample {
  return { at, residentBytes: 200 * MIB, heapBytes: 50 * MIB, descriptors: 30, handles: 6, ...more };
}

/** A soak of 100 samples that went well, but for `more`. */
function result(more: Partial<SoakResult> = {}, residentAt: (n: number) => number = () => 200): SoakResult {
  const samples = Array.from({ length: 100 }, (_, n) => sample(n * 1000, { residentBytes: residentAt(n) * MIB }));
  const load = { whole: 1000, broken: 0, faults: [], wrong: [] };
  return { load, before: sample(0), after: sample(1e6, { descriptors: 34 }), samples, ...more };
}

describe('soak/judge', () => {
  it('lets memory rise at first, and go up and down', () => {
    assert.deepEqual(complaintsOf(result(), BOUNDS), []);
    assert.deepEqual(
      complaintsOf(
        result({}, (n) => Math.min(200, 100 + 4 * n)),
        BOUNDS,
      ),
      [],
    );
    assert.deepEqual(
      complaintsOf(
        result({}, (n) => 200 + 60 * (n % 2)),
        BOUNDS,
      ),
      [],
    );
  });

  it('sees a slow leak through the noise', () => {
    const [complaint = '', ...others] = complaintsOf(
      result({}, (n) => 200 + n + 40 * (n % 2)),
      BOUNDS,
    );
    assert.match(complaint, /^memory rose by 51\.\d MiB over the second half, from about 269\.5 MiB$/);
    assert.deepEqual(others, []);
    assert.equal(Math.round(residentGrowth(result({}, (n) => 200 - n).samples) / MIB), -49);
  });

  it('tells of every wrong byte, failures, and what is left open', () => {
    const load = { whole: 0, broken: 2, faults: ['Error: one', 'Error: two'], wrong: ['a sha256:1'] };
    const after = sample(1e6, { descriptors: 35, handles: 11 });
    assert.deepEqual(complaintsOf(result({ load, after }), BOUNDS), [
      'wrong bytes: a sha256:1',
      '2 failures, such as Error: one; Error: two',
      'nothing was answered',
      '35 descriptors, 30 before',
      '11 handles, 6 before',
    ]);
  });
});
