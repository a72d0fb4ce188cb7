import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
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

  it('knows a process that has ended as dead, although its parent has not asked for its end', async function () {
    if (process.platform !== 'linux') this.skip();
    // The shell becomes a program that waits for no children; only then its child ends.
    const script = 'exec 3<&0; cat <&3 & echo $!; exec sleep 1000';
    const parent = spawn('sh', ['-c', script], { stdio: ['pipe', 'pipe', 'ignore'] });
    try {
      const [said] = (await once(parent.stdout, 'data')) as [Buffer];
      const pid = Number(said.toString());
      const statOf = (of: number | undefined): Promise<string> => readFile(`/proc/${of}/stat`, 'utf8');
      while (!(await statOf(parent.pid)).includes('(sleep)')) await new Promise(setImmediate);
      parent.stdin.end();
      while (!(await statOf(pid)).includes(') Z ')) await new Promise(setImmediate);
      const [startedTicks = ''] = (await statOf(pid)).split(' ').slice(21);
      const own = await ownIdentity();
      assert.equal(await livenessOf({ ...own, pid, startedTicks }, own), 'dead');
    } finally {
      parent.kill('SIGKILL');
    }
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
