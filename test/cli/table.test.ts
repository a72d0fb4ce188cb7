import assert from 'node:assert/strict';
import { printable, renderTable } from '../../src/cli/table.js';

const COLUMNS = [{ title: 'NAME' }, { title: 'SIZE', align: 'right' }, { title: 'USED' }] as const;

describe('cli/table', () => {
  it('puts cells below their titles, numbers to the right, and nothing behind the last', () => {
    const rows = [
      ['alpine', '3.6 MiB', 'now'],
      ['x', '1 B', ''],
    ];
    assert.equal(renderTable(COLUMNS, rows), 'NAME       SIZE  USED\nalpine  3.6 MiB  now\nx           1 B\n');
    assert.equal(renderTable(COLUMNS, [['a', '1', 'b']], false), 'a        1  b\n');
    assert.equal(renderTable(COLUMNS, []), 'NAME  SIZE  USED\n');
  });

  it('shows nothing that a terminal would obey', () => {
    assert.equal(printable('a\u001b[31mb\nc\td\u009be\u202ef\u2028g\u200bh'), 'a?[31mb?c?d?e?f?g?h');
    assert.equal(renderTable([{ title: 'A' }], [['\u001b]0;x\u0007']]), 'A\n?]0;x?\n');
    assert.equal(printable('docker.io/library/alpine:3.20 ├─ ü'), 'docker.io/library/alpine:3.20 ├─ ü');
  });
});
