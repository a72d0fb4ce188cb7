import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import { createBufferPool } from '../../src/cache/buffer-pool.js';
import { type ContentFiles, createContentFiles } from '../../src/cache/content-files.js';
import { contentPath, sumsPath } from '../../src/cache/content-paths.js';
import { nodeFileSystem } from '../../src/cache/file-system.js';
import { readWhole } from '../../src/cache/read-whole.js';
import { encodeSums, RunningSums } from '../../src/cache/sums.js';
import { readSums } from '../../src/cache/sums-file.js';
import { type CacheFolder, createCacheFolder } from '../support/cache-folder.js';
import { digestOfBytes } from '../support/memory-store.js';

const GENERATION = 'ef'.repeat(16);

describe('cache/content-files', () => {
  const bytes = randomBytes(600_000);
  const digest = digestOfBytes(bytes);
  const entry = { digest, sizeBytes: bytes.length, mediaType: 'x/y', storedAt: 5 };
  let folder: CacheFolder;
  let file: string;
  let damage: string[];
  let readBytes: number;
  let contents: ContentFiles;

  beforeEach(async () => {
    folder = await createCacheFolder();
    file = contentPath(folder.directory, digest);
    damage = [];
    readBytes = 0;
    await fs.mkdir(path.dirname(file), { recursive: true });
    await fs.mkdir(path.join(folder.directory, 'spool'));
    await fs.writeFile(file, bytes);
    contents = createContentFiles({
      files: {
        ...nodeFileSystem,
        async readAt(...call) {
          const got = await nodeFileSystem.readAt(...call);
          readBytes += got;
          return got;
        },
      },
      folder: { directory: folder.directory, generation: GENERATION, afterCrash: false, release: async () => {} },
      pool: createBufferPool(),
      now: () => 0,
      onDamage: async (_digest, _ino, reason) => void damage.push(reason),
    });
  });

  afterEach(() => folder.dispose());

  async function writeSums(generation = GENERATION): Promise<void> {
    const running = new RunningSums();
    running.update(bytes);
    const { sizeBytes, mediaType, storedAt } = entry;
    const sums = { sizeBytes, mediaType, storedAt, generation, crcs: running.crcs() };
    await fs.writeFile(sumsPath(folder.directory, digest), encodeSums(sums));
  }

  async function readBack(): Promise<Buffer | undefined> {
    const reader = await contents.open(entry);
    if (reader === undefined) return undefined;
    try {
      return await readWhole(reader);
    } finally {
      reader.close();
    }
  }

  it('opens a file without reading it, where its sums are of this generation', async () => {
    await writeSums();
    const reader = await contents.open(entry);
    assert.equal(readBytes, 0);
    reader?.close();
    assert.deepEqual(await readBack(), bytes);
  });

  it('hashes a file once where its sums are lost or of an earlier generation, and keeps new ones', async () => {
    for (const prepare of [
      () => fs.rm(sumsPath(folder.directory, digest), { force: true }),
      () => writeSums('0'.repeat(32)),
    ]) {
      contents.forget(digest);
      await prepare();
      readBytes = 0;
      const readers = await Promise.all(Array.from({ length: 5 }, () => contents.open(entry)));
      assert.equal(readBytes, bytes.length);
      for (const reader of readers) reader?.close();
      assert.deepEqual(await readBack(), bytes);
      const sums = await readSums(folder.directory, digest);
      assert.equal(sums?.generation, GENERATION);
      assert.equal(sums?.mediaType, 'x/y');
      assert.equal(sums?.storedAt, 5);
    }
    assert.deepEqual(damage, []);
  });

  it('finds a wrong file out before a byte of it leaves', async () => {
    const other = randomBytes(bytes.length);
    for (const [wrong, generation] of [
      [other, '0'.repeat(32)],
      [bytes.subarray(1), GENERATION],
      [Buffer.concat([bytes, Buffer.of(0)]), GENERATION],
      [Buffer.alloc(0), '0'.repeat(32)],
    ] as const) {
      contents.forget(digest);
      damage = [];
      await fs.writeFile(file, wrong);
      await writeSums(generation);
      assert.equal(await contents.open(entry), undefined);
      assert.equal(damage.length, 1);
    }
  });

  it('looks at the sums again when the file has changed', async () => {
    await writeSums();
    assert.deepEqual(await readBack(), bytes);
    const other = `${file}.other`;
    await fs.writeFile(other, randomBytes(bytes.length));
    await fs.rename(other, file);
    await assert.rejects(readBack(), { code: 'content-damaged' });
  });

  it('opens nothing but a plain file', async () => {
    await fs.rm(file);
    assert.equal(await contents.open(entry), undefined);
    await fs.writeFile(`${file}.other`, bytes);
    await fs.symlink(`${file}.other`, file);
    assert.equal(await contents.open(entry), undefined);
    await fs.rm(file);
    await fs.mkdir(file);
    assert.equal(await contents.open(entry), undefined);
    assert.deepEqual(damage, ['it is not a file']);
  });
});
