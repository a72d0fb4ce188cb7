import assert from 'node:assert/strict';
import { renderPairs } from '../../src/cli/command.js';

describe('cli/command', () => {
  it('puts values below one another', () => {
    assert.equal(
      renderPairs(
        [
          ['a', '1'],
          ['long', '2'],
        ],
        '  ',
      ),
      '  a     1\n  long  2\n',
    );
  });
});
