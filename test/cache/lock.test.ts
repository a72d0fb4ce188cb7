import assert from 'node:assert/strict';
import fs from 'node:fs/promises';
import path from 'node:path';
import { takeLock } from '../../src/cache/lock.js';
import { ownIdentity } from '../../src/cache/process-identity.js';
import { type CacheFolder, createCacheFolder } from '../support/cache-folder.js';

const noCrash = (): Promise<never> => Promise.reject(new Error('no crash was expected'));

describe('cache/lock', () => {
  let folder: CacheFolder;
  let lockPath: string;

  beforeEach(async () => {
    folder = await createCacheFolder();
    lockPath = path.join(folder.directory, 'lock');
  });

  afterEach(() => folder.dispose());

  it('is held until it is released, and leaves nothing behind', async () => {
    const lock = await takeLock(folder.directory, noCrash);
    assert.equal(lock.afterCrash, false);
    await assert.rejects(takeLock(folder.directory, noCrash), {
      code: 'store',
      message: `data folder ${folder.directory} is in use by process ${process.pid}; stop it, or choose another folder with --data-dir`,
    });
    await lock.release();
    assert.deepEqual(await fs.readdir(folder.directory), []);
    await (await takeLock(folder.directory, noCrash)).release();
  });

  it('is taken over from a dead process, after the crash was written down', async () => {
    const dead = { ...(await ownIdentity()), bootId: 'before the machine restarted' };
    for (const left of [JSON.stringify(dead), '', 'null', '{"pid":']) {
      await fs.writeFile(lockPath, left);
      let seen = '';
      const lock = await takeLock(folder.directory, async () => {
        seen = await fs.readFile(lockPath, 'utf8');
      });
      assert.equal(seen, left);
      assert.equal(lock.afterCrash, true);
      await lock.release();
      assert.deepEqual(await fs.readdir(folder.directory), []);
    }
  });

  it('goes to one of many that find it left behind', async () => {
    for (let round = 0; round < 30; round += 1) {
      await fs.writeFile(lockPath, '');
      const taking = Array.from({ length: 8 }, () => takeLock(folder.directory, async () => {}));
      const held = (await Promise.allSettled(taking)).filter((outcome) => outcome.status === 'fulfilled');
      assert.equal(held.length, 1);
      for (const { value } of held) await value.release();
      assert.deepEqual(await fs.readdir(folder.directory), []);
    }
  });

  it('is taken over from one that died while it took over', async () => {
    const dead = JSON.stringify({ ...(await ownIdentity()), bootId: 'before the machine restarted' });
    await fs.writeFile(lockPath, dead);
    await fs.writeFile(`${lockPath}.takeover`, dead);
    await (await takeLock(folder.directory, async () => {})).release();
    assert.deepEqual(await fs.readdir(folder.directory), []);
  });

  it('belongs to a process of another container for as long as that touches it', async () => {
    await fs.writeFile(lockPath, JSON.stringify({ ...(await ownIdentity()), pid: 1, pidNamespace: 'another' }));
    let stamp = 1_000;
    const beat = setInterval(() => void fs.utimes(lockPath, stamp, (stamp += 1)), 50);
    try {
      await assert.rejects(takeLock(folder.directory, noCrash), /is in use by process 1;/);
    } finally {
      clearInterval(beat);
    }
  });

  it('says what is wrong where the folder cannot be written', async () => {
    const file = path.join(folder.directory, 'file');
    await fs.writeFile(file, '');
    await assert.rejects(takeLock(file, noCrash), {
      code: 'store',
      message: /^cannot write to the data folder .*\(ENOTDIR\); choose another folder with --data-dir$/,
    });
  });
});
