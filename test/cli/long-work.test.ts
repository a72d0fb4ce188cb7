import assert from 'node:assert/strict';
import { runLongWork } from '../../src/cli/long-work.js';
import { createFakeIo } from './fake-io.js';

describe('cli/long-work', () => {
  it('gives what the work gave, and listens to signals no longer', async () => {
    const io = createFakeIo();
    assert.deepEqual(await runLongWork(io, 'working', async () => 7), { value: 7, interrupted: false });
    assert.equal(io.listeners.size, 0);
    await assert.rejects(
      runLongWork(io, 'working', () => Promise.reject(new Error('no'))),
      /no/,
    );
    assert.equal(io.listeners.size, 0);
  });

  it('ends the work at a signal, with what it gave until then or without', async () => {
    const io = createFakeIo();
    const untilAborted = (signal: AbortSignal): Promise<void> =>
      new Promise((resolve) => {
        signal.addEventListener('abort', () => resolve());
        io.signal('SIGINT');
      });
    const partly = await runLongWork(io, 'working', async ({ signal }) => {
      await untilAborted(signal);
      return 'half';
    });
    assert.deepEqual(partly, { value: 'half', interrupted: true });
    const nothing = await runLongWork(io, 'working', async ({ signal }) => {
      await untilAborted(signal);
      signal.throwIfAborted();
    });
    assert.equal(nothing, undefined);
    assert.deepEqual(io.exits, []);
  });
});
