import assert from 'node:assert/strict';
import { listenProblem } from '../../src/config/listen-problem.js';

describe('config/listen-problem', () => {
  it('says what is wrong with the address and what to do', () => {
    const busy = Object.assign(new Error('listen EADDRINUSE'), { code: 'EADDRINUSE' });
    assert.deepEqual(listenProblem('listen', { host: '::', port: 3128 }, busy).problems, [
      '--listen [::]:3128: another process listens there; stop it or choose another address.',
    ]);
  });

  it('keeps the words of an error that it does not know', () => {
    for (const error of [new Error('odd'), Object.assign(new Error('odd'), { code: 'constructor' })]) {
      assert.deepEqual(listenProblem('admin-listen', { host: 'h', port: 1 }, error).problems, [
        '--admin-listen h:1: odd',
      ]);
    }
  });
});
