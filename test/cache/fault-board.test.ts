import assert from 'node:assert/strict';
import { createFaultBoard } from '../../src/cache/fault-board.js';
import { ProxyError } from '../../src/errors.js';

describe('cache/fault-board', () => {
  it('lets a fault stand until its own part works again', () => {
    const told: string[] = [];
    const board = createFaultBoard({
      fault: (fault) => told.push(fault.message),
      quarantined: () => {},
      rebuilt: () => {},
    });
    assert.equal(board.current, undefined);
    board.report('writing', new ProxyError('store', 'disk full'));
    board.report('index', new ProxyError('store', 'index broken'));
    board.clear('facts');
    assert.equal(board.current, 'disk full; index broken');
    assert.deepEqual([board.has('writing'), board.has('facts')], [true, false]);
    board.clear('writing');
    assert.equal(board.current, 'index broken');
    board.clear('index');
    assert.equal(board.current, undefined);
    assert.deepEqual(told, ['disk full', 'index broken']);
  });
});
