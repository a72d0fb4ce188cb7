import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import {
  contentRange,
  parseRange,
  parseSingleRange,
  type RangeOutcome,
  unsatisfiedRange,
} from '../../src/http/range.js';

interface Row {
  readonly value: string | undefined;
  readonly outcome: RangeOutcome;
}

/** All against content of 100 bytes. */
const ROWS: readonly Row[] = [
  { value: undefined, outcome: 'whole' },
  { value: 'bytes=0-0', outcome: [{ start: 0, end: 0 }] },
  { value: 'bytes=0-99', outcome: [{ start: 0, end: 99 }] },
  { value: 'bytes=10-', outcome: [{ start: 10, end: 99 }] },
  { value: 'bytes=90-1000', outcome: [{ start: 90, end: 99 }] },
  { value: 'Bytes=5-6', outcome: [{ start: 5, end: 6 }] },
  { value: 'bytes=-1', outcome: [{ start: 99, end: 99 }] },
  { value: 'bytes=-100', outcome: [{ start: 0, end: 99 }] },
  { value: 'bytes=-5000', outcome: [{ start: 0, end: 99 }] },
  { value: 'bytes=100-', outcome: 'unsatisfiable' },
  { value: 'bytes=100-200', outcome: 'unsatisfiable' },
  { value: 'bytes=-0', outcome: 'unsatisfiable' },
  { value: 'bytes=9007199254740993-9007199254740994', outcome: 'unsatisfiable' },
  { value: 'bytes=99-99999999999999999999999999', outcome: [{ start: 99, end: 99 }] },
  {
    value: 'bytes=0-0,-1',
    outcome: [
      { start: 0, end: 0 },
      { start: 99, end: 99 },
    ],
  },
  {
    value: 'bytes= 1-2 ,, 4-5 ,',
    outcome: [
      { start: 1, end: 2 },
      { start: 4, end: 5 },
    ],
  },
  {
    value: 'bytes=10-20,0-15',
    outcome: [
      { start: 10, end: 20 },
      { start: 0, end: 15 },
    ],
  },
  { value: 'bytes=500-600,3-4', outcome: [{ start: 3, end: 4 }] },
  { value: 'bytes=0-0,1-1,2-2,3-3,4-4,5-5,6-6,7-7,8-8', outcome: 'whole' },
  { value: 'bytes=', outcome: 'whole' },
  { value: 'bytes=,', outcome: 'whole' },
  { value: 'bytes=-', outcome: 'whole' },
  { value: 'bytes=5-4', outcome: 'whole' },
  { value: 'bytes=0-1,5-4', outcome: 'whole' },
  { value: 'bytes=a-b', outcome: 'whole' },
  { value: 'bytes=0x1-2', outcome: 'whole' },
  { value: 'bytes=+1-2', outcome: 'whole' },
  { value: 'bytes 0-1', outcome: 'whole' },
  { value: 'items=0-1', outcome: 'whole' },
  { value: 'none', outcome: 'whole' },
];

describe('http/range', () => {
  for (const { value, outcome } of ROWS) {
    it(`reads ${value ?? 'no header'} as ${JSON.stringify(outcome)}`, () => {
      assert.deepEqual(parseRange(value, 100), outcome);
    });
  }

  it('knows that nothing of an empty body can be asked for but a suffix', () => {
    assert.equal(parseRange('bytes=0-', 0), 'unsatisfiable');
    assert.equal(parseRange('bytes=-5', 0), 'whole');
    assert.equal(parseRange('bytes=-0', 0), 'unsatisfiable');
  });

  it('counts beyond 32 bits', () => {
    const size = 100 * 1024 ** 3;
    assert.deepEqual(parseRange(`bytes=${size - 2}-`, size), [{ start: size - 2, end: size - 1 }]);
  });

  it('never gives a range outside the content', () => {
    const spec = fc.oneof(
      fc.tuple(fc.nat(), fc.nat()).map(([a, b]) => `${a}-${b}`),
      fc.nat().map((a) => `${a}-`),
      fc.nat().map((a) => `-${a}`),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(spec, { maxLength: 10 }), fc.nat(), (specs, size) => {
        const outcome = parseRange(`bytes=${specs.join(',')}`, size);
        if (typeof outcome === 'string') return;
        assert.ok(outcome.length > 0 && outcome.length <= 8);
        for (const { start, end } of outcome) assert.ok(0 <= start && start <= end && end < size);
      }),
    );
  });

  it('reads one range for content of unknown size', () => {
    assert.deepEqual(parseSingleRange('bytes=3-7'), { start: 3, end: 7 });
    assert.deepEqual(parseSingleRange('bytes=3-'), { start: 3, end: undefined });
    for (const value of [undefined, 'bytes=-3', 'bytes=1-2,4-5', 'bytes=7-3', 'x=1-2']) {
      assert.equal(parseSingleRange(value), undefined);
    }
  });

  it('writes Content-Range for known, unknown and missed sizes', () => {
    assert.equal(contentRange(0, 4294967296, 4294967300), 'bytes 0-4294967296/4294967300');
    assert.equal(contentRange(1, 2, undefined), 'bytes 1-2/*');
    assert.equal(unsatisfiedRange(100), 'bytes */100');
  });

  it('gives the whole once where ranges ask for more bytes than there are', () => {
    assert.equal(parseRange(`bytes=${Array.from({ length: 8 }, () => '0-').join(',')}`, 1000), 'whole');
    assert.equal(parseRange('bytes=0-599,400-999', 1000), 'whole');
    assert.deepEqual(parseRange('bytes=0-499,400-799', 1000), [
      { start: 0, end: 499 },
      { start: 400, end: 799 },
    ]);
  });
});
