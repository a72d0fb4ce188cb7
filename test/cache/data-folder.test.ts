import assert from 'node:assert/strict';
import fs from 'node:fs/promises';
import path from 'node:path';
import { openDataFolder } from '../../src/cache/data-folder.js';
import { type CacheFolder, createCacheFolder } from '../support/cache-folder.js';

describe('cache/data-folder', () => {
  let held: CacheFolder;
  let directory: string;

  beforeEach(async () => {
    held = await createCacheFolder();
    directory = path.join(held.directory, 'made', 'here');
  });

  afterEach(() => held.dispose());

  it('makes what is missing, sweeps the spool, and keeps its generation over a clean stop', async () => {
    const first = await openDataFolder(directory);
    assert.equal(first.afterCrash, false);
    assert.match(first.generation, /^[0-9a-f]{32}$/);
    assert.equal(await fs.readFile(path.join(directory, 'VERSION'), 'utf8'), '1\n');
    await fs.writeFile(path.join(directory, 'spool', 'left'), 'half a layer');
    await first.release();
    const second = await openDataFolder(directory);
    assert.equal(second.generation, first.generation);
    assert.deepEqual(await fs.readdir(path.join(directory, 'spool')), []);
    await second.release();
  });

  it('leaves what may be gone on with in the spool', async () => {
    await (await openDataFolder(directory)).release();
    const name = `sha256-${'0'.repeat(64)}-${'1'.repeat(32)}-5-${'2'.repeat(12)}`;
    const spool = path.join(directory, 'spool');
    for (const file of [name, `${name}.kept`, `${name}.new`])
      await fs.writeFile(path.join(spool, file), 'half a layer');
    await (await openDataFolder(directory)).release();
    assert.deepEqual((await fs.readdir(spool)).toSorted(), [name, `${name}.kept`]);
  });

  it('has a new generation after an unclean stop, and where it was lost', async () => {
    const first = await openDataFolder(directory);
    await first.release();
    await fs.writeFile(path.join(directory, 'lock'), 'torn');
    const second = await openDataFolder(directory);
    assert.equal(second.afterCrash, true);
    assert.notEqual(second.generation, first.generation);
    await second.release();
    await fs.writeFile(path.join(directory, 'generation'), 'garbage');
    const third = await openDataFolder(directory);
    assert.equal(third.afterCrash, false);
    assert.notEqual(third.generation, second.generation);
    await third.release();
  });

  it('refuses a newer format and an unreadable one, and gives the lock back', async () => {
    await fs.mkdir(directory, { recursive: true });
    for (const [text, message] of [
      ['2\n', /has format 2 of a newer entrepot, and this one knows 1/],
      ['garbage', /VERSION does not hold a format number/],
      ['', /VERSION does not hold a format number/],
    ] as const) {
      await fs.writeFile(path.join(directory, 'VERSION'), text);
      await assert.rejects(openDataFolder(directory), { code: 'store', message });
      await assert.rejects(fs.stat(path.join(directory, 'lock')), { code: 'ENOENT' });
    }
  });

  it('says in one sentence that the folder cannot be made', async () => {
    const file = path.join(held.directory, 'file');
    await fs.writeFile(file, '');
    await assert.rejects(openDataFolder(path.join(file, 'data')), {
      code: 'store',
      message: `cannot make the data folder ${path.join(file, 'data')}: a part of the path is a file (ENOTDIR); choose another folder with --data-dir`,
    });
    await assert.rejects(openDataFolder(file), {
      code: 'store',
      message: /: a part of the path is a file \(ENOTDIR\);/,
    });
  });

  it('says so as well of its VERSION and of its generation after a crash', async () => {
    const advice =
      /^cannot .*: there is a folder where a file should be \(EISDIR\); choose another folder with --data-dir$/;
    await (await openDataFolder(directory)).release();
    await fs.rm(path.join(directory, 'VERSION'));
    await fs.mkdir(path.join(directory, 'VERSION'));
    await assert.rejects(openDataFolder(directory), { code: 'store', message: advice });
    await fs.rm(path.join(directory, 'generation'));
    await fs.mkdir(path.join(directory, 'generation'));
    await fs.writeFile(path.join(directory, 'lock'), 'torn');
    await assert.rejects(openDataFolder(directory), { code: 'store', message: advice });
  });

  it('names the reason of the parent where that cannot be written', async () => {
    // Nobody can make a folder here, not even root.
    await assert.rejects(openDataFolder('/sys/entrepot/made/here'), {
      code: 'store',
      message:
        /^cannot make the data folder \/sys\/entrepot\/made\/here: (?:the file system is read-only|the file system forbids it|this user may not write there) \(\w+\); choose another folder with --data-dir$/,
    });
  });
});
