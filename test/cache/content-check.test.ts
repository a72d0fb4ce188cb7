import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import { type ContentCheck, createContentCheck } from '../../src/cache/content-check.js';
import { contentPath, sumsPath } from '../../src/cache/content-paths.js';
import { type FileSystem, nodeFileSystem } from '../../src/cache/file-system.js';
import { encodeSums, RunningSums } from '../../src/cache/sums.js';
import { readSums } from '../../src/cache/sums-file.js';
import { digestOfBytes } from '../support/memory-store.js';
import { createTempDir, type TempDir } from '../support/temp-dir.js';

const GENERATION = 'ef'.repeat(16);

describe('cache/content-check', () => {
  const bytes = randomBytes(900_000);
  const digest = digestOfBytes(bytes);
  let folder: TempDir;
  let file: string;
  let damage: string[];

  beforeEach(async () => {
    folder = await createTempDir();
    file = contentPath(folder.path, digest);
    damage = [];
    await fs.mkdir(path.dirname(file), { recursive: true });
    await fs.mkdir(path.join(folder.path, 'spool'));
    await fs.writeFile(file, bytes);
  });
  afterEach(() => folder.remove());

  function checkWith(files: Partial<FileSystem> = {}): ContentCheck {
    return createContentCheck({
      files: { ...nodeFileSystem, ...files },
      folder: { directory: folder.path, generation: GENERATION },
      onDamage: async (_digest, _ino, reason) => void damage.push(reason),
      inTurn: (_digest, task) => task(),
      describe: async () => ({ mediaType: 'x/described', storedAt: 7 }),
    });
  }

  function rightSums(mediaType: string | undefined, generation: string) {
    const running = new RunningSums();
    running.update(bytes);
    return { sizeBytes: bytes.length, mediaType, storedAt: 5, generation, crcs: running.crcs() };
  }

  it('finds whole content good, and gives it sums where they are lost, old or wrong', async () => {
    const wrong = rightSums('x/y', GENERATION);
    wrong.crcs[1] = 1;
    for (const [sums, mediaType, storedAt] of [
      [undefined, 'x/described', 7],
      [encodeSums(rightSums('x/y', '0'.repeat(32))), 'x/y', 5],
      [encodeSums(wrong), 'x/y', 5],
      [Buffer.from('garbage'), 'x/described', 7],
    ] as const) {
      await fs.rm(sumsPath(folder.path, digest), { force: true });
      if (sums !== undefined) await fs.writeFile(sumsPath(folder.path, digest), sums);
      assert.deepEqual(await checkWith()(digest), { verdict: 'good', bytes: bytes.length });
      const found = await readSums(folder.path, digest);
      assert.deepEqual(found, { ...rightSums(mediaType, GENERATION), storedAt });
    }
    assert.deepEqual(damage, []);
    assert.deepEqual(await fs.readdir(path.join(folder.path, 'spool')), []);
  });

  it('leaves right sums alone', async () => {
    await fs.writeFile(sumsPath(folder.path, digest), encodeSums(rightSums('x/y', GENERATION)));
    const before = await fs.stat(sumsPath(folder.path, digest));
    assert.equal((await checkWith()(digest)).verdict, 'good');
    assert.equal((await fs.stat(sumsPath(folder.path, digest))).ino, before.ino);
  });

  it('I08 I09: finds a flipped bit, a file that was cut, grown, emptied or swapped, and what is no file', async () => {
    const flipped = Buffer.from(bytes);
    flipped[500_000] = (flipped[500_000] ?? 0) ^ 1;
    const others = [flipped, bytes.subarray(1), Buffer.concat([bytes, bytes]), Buffer.alloc(0), randomBytes(900_000)];
    for (const other of others) {
      damage = [];
      await fs.writeFile(file, other);
      assert.equal((await checkWith()(digest)).verdict, 'bad');
      assert.equal(damage.length, 1);
    }
    await fs.rm(file);
    await fs.mkdir(file);
    assert.equal((await checkWith()(digest)).verdict, 'bad');
  });

  it('I05: takes a file that the disk cannot read for damaged', async () => {
    const check = checkWith({ readAt: () => Promise.reject(Object.assign(new Error('x'), { code: 'EIO' })) });
    assert.equal((await check(digest)).verdict, 'bad');
    assert.match(damage[0] ?? '', /EIO/);
  });

  it('says nothing about content that is not there or that it may not open', async () => {
    for (const code of ['EMFILE', 'EACCES']) {
      const check = checkWith({ open: () => Promise.reject(Object.assign(new Error('x'), { code })) });
      assert.deepEqual(await check(digest), { verdict: 'unreadable', bytes: 0 });
    }
    await fs.rm(file);
    assert.deepEqual(await checkWith()(digest), { verdict: 'missing', bytes: 0 });
    await fs.symlink(sumsPath(folder.path, digest), file);
    assert.deepEqual(await checkWith()(digest), { verdict: 'missing', bytes: 0 });
    assert.deepEqual(damage, []);
  });

  it('writes no sums for a file that was taken away meanwhile', async () => {
    const check = createContentCheck({
      files: nodeFileSystem,
      folder: { directory: folder.path, generation: GENERATION },
      onDamage: async () => {},
      inTurn: async (_digest, task) => {
        await fs.rm(file);
        await task();
      },
      describe: async () => undefined,
    });
    assert.equal((await check(digest)).verdict, 'good');
    assert.equal(await readSums(folder.path, digest), undefined);
  });

  it('reads in small steps at the pace that it is given, and ends with it', async () => {
    const steps: number[] = [];
    await checkWith()(digest, (step) => void steps.push(step));
    assert.ok(Math.max(...steps) <= 256 * 1024);
    assert.equal(
      steps.reduce((sum, step) => sum + step, 0),
      bytes.length,
    );
    const enough = new Error('enough');
    await assert.rejects(
      checkWith()(digest, async () => Promise.reject(enough)),
      (error) => error === enough,
    );
    assert.deepEqual(damage, []);
  });
});
