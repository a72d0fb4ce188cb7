import assert from 'node:assert/strict';
import fs from 'node:fs/promises';
import { commitContent } from '../../src/cache/commit-content.js';
import { contentFolder, contentPath, newSpoolPath, spoolFolder, sumsPath } from '../../src/cache/content-paths.js';
import { type FileSystem, nodeFileSystem } from '../../src/cache/file-system.js';
import { RunningSums, type Sums } from '../../src/cache/sums.js';
import { readSums } from '../../src/cache/sums-file.js';
import { type CacheFolder, createCacheFolder } from '../support/cache-folder.js';
import { digestOfBytes } from '../support/memory-store.js';

const GENERATION = 'cd'.repeat(16);

describe('cache/commit-content', () => {
  const bytes = Buffer.from('some content');
  const digest = digestOfBytes(bytes);
  let held: CacheFolder;
  let directory: string;
  let trace: string[];

  beforeEach(async () => {
    held = await createCacheFolder();
    directory = held.directory;
    trace = [];
    await fs.mkdir(spoolFolder(directory));
  });

  afterEach(() => held.dispose());

  /** The real file system, with the calls that order matters for written down, and one of them failing. */
  function tracing(failing?: string): FileSystem {
    const step = async (name: string, task: () => Promise<void>): Promise<void> => {
      trace.push(name);
      if (name === failing) throw Object.assign(new Error('x'), { code: 'EIO' });
      await task();
    };
    return {
      ...nodeFileSystem,
      dataSync: (fd) => step('sync', () => nodeFileSystem.dataSync(fd)),
      rename: (from, to) =>
        step(`rename ${to.endsWith('.sum') ? 'sums' : 'content'}`, () => nodeFileSystem.rename(from, to)),
      syncFolder: (path) =>
        step(path === contentFolder(directory, digest) ? 'sync folder' : 'sync parent', () =>
          nodeFileSystem.syncFolder(path),
        ),
    };
  }

  async function commit(files: FileSystem, mediaType?: string): Promise<Sums> {
    const path = newSpoolPath(directory);
    const handle = await fs.open(path, 'wx+');
    try {
      await handle.writeFile(bytes);
      const sums = new RunningSums();
      sums.update(bytes);
      const spool = { fd: handle.fd, path, sizeBytes: bytes.length, crcs: sums.crcs() };
      const folder = { directory, generation: GENERATION, afterCrash: false, release: async () => {} };
      return await commitContent(files, folder, spool, { digest, mediaType, storedAt: 5 });
    } finally {
      await handle.close();
    }
  }

  it('syncs bytes and sums, names the sums, names the content, syncs the folder, in this order', async () => {
    await commit(tracing());
    assert.deepEqual(
      trace.filter((step, n) => step !== 'sync parent' && trace.indexOf(step) === n),
      ['sync', 'rename sums', 'rename content', 'sync folder'],
    );
    assert.deepEqual(await fs.readFile(contentPath(directory, digest)), bytes);
    assert.equal((await readSums(directory, digest))?.generation, GENERATION);
  });

  it('drops the spool where the whole content stands already, and gives its sums', async () => {
    const first = await commit(tracing(), 'x/y');
    trace = [];
    assert.deepEqual(await commit(tracing(), 'a/b'), first);
    assert.deepEqual(trace, []);
    assert.deepEqual(await fs.readdir(spoolFolder(directory)), []);
  });

  it('replaces a file of the wrong size, and one whose sums are lost or older than the last crash', async () => {
    await commit(tracing());
    await fs.writeFile(contentPath(directory, digest), 'rotten');
    await commit(tracing());
    assert.deepEqual(await fs.readFile(contentPath(directory, digest)), bytes);
    await fs.writeFile(contentPath(directory, digest), 'SOME CONTENT');
    await fs.rm(sumsPath(directory, digest));
    await commit(tracing());
    assert.deepEqual(await fs.readFile(contentPath(directory, digest)), bytes);
  });

  for (const step of ['sync', 'rename sums', 'rename content', 'sync folder']) {
    it(`I04 I06: stores nothing where "${step}" fails, and does not try it again`, async () => {
      await assert.rejects(commit(tracing(step)), { code: 'store', message: 'cannot commit content: EIO' });
      assert.ok(trace.filter((name) => name === step).length <= (step === 'sync' ? 2 : 1));
      await assert.rejects(fs.stat(contentPath(directory, digest)), { code: 'ENOENT' });
      await commit(tracing());
      assert.deepEqual(await fs.readFile(contentPath(directory, digest)), bytes);
    });
  }

  it('makes folders again that were deleted', async () => {
    await commit(tracing());
    await fs.rm(`${directory}/blobs`, { recursive: true });
    await commit(tracing());
    assert.deepEqual(await fs.readFile(contentPath(directory, digest)), bytes);
  });
});
