import assert from 'node:assert/strict';
import fs from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createFaultBoard, type FaultBoard } from '../../src/cache/fault-board.js';
import { type FileSystem, nodeFileSystem } from '../../src/cache/file-system.js';
import { type FolderGuard, startFolderGuard } from '../../src/cache/folder-guard.js';
import { ProxyError } from '../../src/errors.js';
import { createTempDir, type TempDir } from '../support/temp-dir.js';

describe('cache/folder-guard', () => {
  let temp: TempDir;
  let directory: string;
  let faults: FaultBoard;
  let guards: FolderGuard[];

  beforeEach(async () => {
    temp = await createTempDir();
    directory = path.join(temp.path, 'data');
    await fs.mkdir(path.join(directory, 'spool'), { recursive: true });
    faults = createFaultBoard({ fault: () => {}, quarantined: () => {}, rebuilt: () => {} });
    guards = [];
  });
  afterEach(async () => {
    for (const guard of guards) await guard.close();
    await temp.remove();
  });

  function guard(files: Partial<FileSystem> = {}): FolderGuard {
    const started = startFolderGuard({ directory, files: { ...nodeFileSystem, ...files }, faults, everyMs: 5 });
    guards.push(started);
    return started;
  }

  async function until(condition: () => Promise<boolean> | boolean): Promise<void> {
    while (!(await condition())) await delay(2);
  }

  it('I07: brings a deleted folder back, with the small files that were in it', async () => {
    const texts = { VERSION: '1\n', generation: 'abc\n', 'admin.token': 'secret\n' };
    for (const [name, text] of Object.entries(texts)) await fs.writeFile(path.join(directory, name), text);
    await guard().look();
    await fs.rm(directory, { recursive: true, maxRetries: 9 });
    await until(() =>
      fs.readFile(path.join(directory, 'VERSION'), 'utf8').then(
        (text) => text !== '',
        () => false,
      ),
    );
    for (const [name, text] of Object.entries(texts)) {
      assert.equal(await fs.readFile(path.join(directory, name), 'utf8'), text);
      assert.equal((await fs.stat(path.join(directory, name))).mode & 0o777, 0o600);
    }
    assert.deepEqual((await fs.readdir(directory)).sort(), [
      'VERSION',
      'admin.token',
      'blobs',
      'generation',
      'quarantine',
      'spool',
    ]);
  });

  it('leaves a single file alone that somebody took away', async () => {
    for (const name of ['VERSION', 'admin.token']) await fs.writeFile(path.join(directory, name), 'x');
    const looking = guard();
    await looking.look();
    await fs.rm(path.join(directory, 'admin.token'));
    for (let n = 0; n < 3; n += 1) await looking.look();
    await assert.rejects(fs.stat(path.join(directory, 'admin.token')), { code: 'ENOENT' });
  });

  it('I07: says so where the folder cannot be made again, and goes on trying', async () => {
    await fs.writeFile(path.join(directory, 'VERSION'), '1\n');
    await guard().look();
    await fs.rename(directory, `${directory}.away`);
    while (
      !(await fs.writeFile(directory, '').then(
        () => true,
        () => false,
      ))
    ) {
      // The guard was quicker.
      await fs.rm(directory, { recursive: true, force: true });
    }
    await until(() => faults.has('folder'));
    await fs.rm(directory, { recursive: true, maxRetries: 9 });
    await until(
      () =>
        !faults.has('folder') &&
        fs.stat(path.join(directory, 'VERSION')).then(
          () => true,
          () => false,
        ),
    );
  });

  it('I04 I12: asks after a fault of the disk by itself, and takes it back when the disk works', async () => {
    await fs.writeFile(path.join(directory, 'VERSION'), '1\n');
    let full = true;
    let opens = 0;
    faults.report('writing', new ProxyError('store', 'full'));
    faults.report('reading', new ProxyError('store', 'no descriptors'));
    guard({
      async open(...call) {
        opens += 1;
        if (full) throw Object.assign(new Error('x'), { code: 'EMFILE' });
        return nodeFileSystem.open(...call);
      },
    });
    await until(() => opens >= 6);
    assert.equal(faults.current, 'full; no descriptors');
    full = false;
    await until(() => faults.current === undefined);
    assert.deepEqual(await fs.readdir(path.join(directory, 'spool')), []);
  });
});
