import assert from 'node:assert/strict';
import { boundedLabel, methodLabel, statusLabel } from '../../src/telemetry/labels.js';

describe('telemetry/labels', () => {
  it('lets the first names through and calls the rest other (K09)', () => {
    const label = boundedLabel(2);
    assert.deepEqual(['a', 'b', 'c', 'a', 'c'].map(label), ['a', 'b', 'other', 'a', 'other']);
  });

  it('keeps only methods that registry clients use', () => {
    assert.equal(methodLabel('HEAD'), 'HEAD');
    assert.equal(methodLabel('PROPFIND'), 'other');
    assert.equal(methodLabel('constructor'), 'other');
  });

  it('keeps only statuses of HTTP', () => {
    assert.deepEqual([200, 599, 0, 99, 600, 200.5, Number.NaN].map(statusLabel), [
      '200',
      '599',
      'none',
      'other',
      'other',
      'other',
      'other',
    ]);
  });
});
