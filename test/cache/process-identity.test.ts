import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { livenessOf, ownIdentity } from '../../src/cache/process-identity.js';

describe('cache/process-identity', () => {
  it('knows itself as alive', async () => {
    const own = await ownIdentity();
    assert.equal(own.pid, process.pid);
    assert.equal(await livenessOf(own, own), 'alive');
  });

  it('knows a process that has ended as dead', async () => {
    const own = await ownIdentity();
    const child = spawn(process.execPath, ['-e', '']);
    await once(child, 'exit');
    assert.equal(await livenessOf({ ...own, pid: child.pid as number }, own), 'dead');
  });

  it('is not fooled by another process that got the same number', async () => {
    const own = await ownIdentity();
    const olderNamesake = { ...own, startedTicks: `${Number(own.startedTicks) - 1}` };
    assert.equal(await livenessOf(olderNamesake, own), own.startedTicks === '' ? 'alive' : 'dead');
  });

  it('knows that nothing outlives a restart of the machine, and says so where it cannot know', async () => {
    const own = await ownIdentity();
    assert.equal(await livenessOf({ ...own, bootId: 'another' }, own), 'dead');
    assert.equal(await livenessOf({ ...own, pidNamespace: 'another' }, own), 'unknown');
  });
});
