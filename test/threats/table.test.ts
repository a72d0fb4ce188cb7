import assert from 'node:assert/strict';
import { CASES, LEFT_OUT, type ThreatCase } from './cases.js';
import { printed, tableOf, unacceptable, unknownIds } from './table.js';

const ROWS: readonly ThreatCase[] = [
  { id: 'A01', priority: 0, title: 'one' },
  { id: 'A02', priority: 1, title: 'two' },
  { id: 'A03', priority: 2, title: 'three' },
  { id: 'A04', priority: 0, title: 'four' },
  { id: 'W1', priority: 0, title: 'five' },
];

describe('threats/table', () => {
  it('counts a row as passed where every test that names it has passed', () => {
    const results = [
      { title: 'x refuses this (A01)', passed: true },
      { title: 'x A01, A02: refuses that', passed: true },
      { title: 'W1 and W12', passed: false },
    ];
    const rows = tableOf(ROWS, results, { A04: 'no way' });
    assert.deepEqual(
      rows.map(({ id, verdict, tests }) => [id, verdict, tests]),
      [
        ['A01', 'passed', 2],
        ['A02', 'passed', 1],
        ['A03', 'not covered', 0],
        ['A04', 'left out', 0],
        ['W1', 'failed', 1],
      ],
    );
    assert.deepEqual(
      unacceptable(rows).map(({ id }) => id),
      ['W1'],
    );
    assert.match(printed(rows), /^A04 {2}P0 {2}left out +four: no way$/m);
    assert.match(printed(rows), /5 threats: 2 passed, 1 failed, 1 left out, 1 not covered/);
  });

  it('accepts no hole in the first two priorities', () => {
    const open = unacceptable(tableOf(ROWS, [], {}));
    assert.deepEqual(
      open.map(({ id }) => id),
      ['A01', 'A02', 'A04', 'W1'],
    );
  });

  it('takes no other word for an id', () => {
    assert.deepEqual(unknownIds(ROWS, [{ title: 'A012 RFC9110 E2E sha256 W123 P01', passed: true }]), []);
    assert.deepEqual(unknownIds(ROWS, [{ title: 'A01 and B99', passed: true }]), ['B99']);
  });

  it('lists every row once, and leaves out only what it lists', () => {
    const ids = CASES.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length);
    assert.equal(ids.length, 196);
    for (const id of Object.keys(LEFT_OUT)) assert.ok(ids.includes(id), id);
  });
});
