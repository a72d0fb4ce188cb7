import assert from 'node:assert/strict';
import fs from 'node:fs/promises';
import path from 'node:path';
import { contentPath, sumsPath } from '../../src/cache/content-paths.js';
import { type Sweeper, type SweepOptions, startSweeper } from '../../src/cache/sweep.js';
import { digestOfBytes } from '../support/memory-store.js';
import { createTempDir, type TempDir } from '../support/temp-dir.js';

describe('cache/sweep', () => {
  let folder: TempDir;
  let sweepers: Sweeper[];

  beforeEach(async () => {
    folder = await createTempDir();
    sweepers = [];
    for (const name of ['blobs', 'spool', 'quarantine']) await fs.mkdir(path.join(folder.path, name));
  });
  afterEach(async () => {
    for (const sweeper of sweepers) await sweeper.close();
    await folder.remove();
  });

  function start(more: Partial<SweepOptions> = {}): Sweeper {
    const sweeper = startSweeper({ directory: folder.path, ...more });
    sweepers.push(sweeper);
    return sweeper;
  }

  async function write(name: string, bytes = 1): Promise<void> {
    await fs.mkdir(path.dirname(path.join(folder.path, name)), { recursive: true });
    await fs.writeFile(path.join(folder.path, name), Buffer.alloc(bytes));
  }

  async function names(): Promise<string[]> {
    const found = await fs.readdir(folder.path, { recursive: true, withFileTypes: true });
    const files = found.filter((entry) => entry.isFile());
    return files.map(({ parentPath, name }) => path.relative(folder.path, path.join(parentPath, name))).sort();
  }

  it('takes away what is left behind when it has not changed until the second time, and nothing else', async () => {
    const left = [
      `spool/${'a'.repeat(24)}`,
      `VERSION.${'b'.repeat(12)}`,
      `lock.${'b'.repeat(12)}`,
      `lock.stale-${'b'.repeat(12)}`,
      'facts.log.new',
      'scrub-position.new',
    ];
    const ours = ['VERSION', 'lock', 'facts.log', 'index.v1.sqlite', 'notes.new', 'spool/kept-prefix', 'blobs/readme'];
    for (const name of [...left, ...ours]) await write(name);
    const sweeper = start();
    await sweeper.sweep();
    assert.equal((await names()).length, left.length + ours.length);
    await sweeper.sweep();
    assert.deepEqual(await names(), ours.sort());
  });

  it('leaves alone what is written between two sweeps', async () => {
    const spool = `spool/${'a'.repeat(24)}`;
    await write(spool);
    const sweeper = start();
    await sweeper.sweep();
    await write(spool, 2);
    await sweeper.sweep();
    assert.deepEqual(await names(), [spool]);
    await sweeper.sweep();
    assert.deepEqual(await names(), []);
  });

  it('takes away sums whose content is gone', async () => {
    const held = digestOfBytes(Buffer.from('held'));
    const gone = digestOfBytes(Buffer.from('gone'));
    const kept = [contentPath(folder.path, held), sumsPath(folder.path, held)];
    for (const file of [...kept, sumsPath(folder.path, gone)]) await write(path.relative(folder.path, file));
    const sweeper = start();
    await sweeper.sweep();
    await sweeper.sweep();
    assert.deepEqual(
      await names(),
      kept.map((file) => path.relative(folder.path, file)),
    );
  });

  it('bounds the quarantine in bytes, the newest stay', async () => {
    for (const name of ['1', '2', '3']) {
      await write(`quarantine/${name}`, 1_000);
      // The time at which it was moved has to differ.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await start({ quarantineBytes: async () => 2_500 }).sweep();
    assert.deepEqual(await names(), ['quarantine/2', 'quarantine/3']);
  });

  it('bounds the quarantine in age', async () => {
    await write('quarantine/1');
    await fs.mkdir(path.join(folder.path, 'quarantine', 'folder'));
    await start({ quarantineMs: 60_000 }).sweep();
    assert.equal((await names()).length, 1);
    await start({ quarantineMs: -1 }).sweep();
    assert.deepEqual(await fs.readdir(path.join(folder.path, 'quarantine')), []);
  });

  it('has nothing to do where the folder is gone', async () => {
    await fs.rm(folder.path, { recursive: true });
    await start().sweep();
  });
});
