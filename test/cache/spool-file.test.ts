import assert from 'node:assert/strict';
import fs from 'node:fs/promises';
import path from 'node:path';
import type { Spool } from '../../src/cache/contract.js';
import { type FileSystem, nodeFileSystem } from '../../src/cache/file-system.js';
import { type FinishedSpool, openSpool } from '../../src/cache/spool-file.js';
import { RunningSums } from '../../src/cache/sums.js';
import { type CacheFolder, createCacheFolder } from '../support/cache-folder.js';
import { digestOfBytes } from '../support/memory-store.js';

describe('cache/spool-file', () => {
  const digest = digestOfBytes(Buffer.from('abc'));
  let folder: CacheFolder;
  let file: string;
  let faults: string[];
  let committed: FinishedSpool[];

  beforeEach(async () => {
    folder = await createCacheFolder();
    file = path.join(folder.directory, 'spooled');
    faults = [];
    committed = [];
  });

  afterEach(() => folder.dispose());

  function open(changes: Partial<FileSystem> = {}): Promise<Spool> {
    return openSpool({
      files: { ...nodeFileSystem, ...changes },
      path: file,
      commit: async (spool) => {
        committed.push(spool);
        return { digest, sizeBytes: spool.sizeBytes, mediaType: undefined, storedAt: 0 };
      },
      onFault: (fault) => faults.push(fault.message),
    });
  }

  it('hands the commit its size and sums, and then leaves the file alone', async () => {
    const spool = await open();
    await spool.append(Buffer.from('ab'));
    await spool.append(Buffer.from('c'));
    await spool.commit(digest, undefined);
    await spool.close();
    const sums = new RunningSums();
    sums.update(Buffer.from('abc'));
    assert.equal(committed[0]?.sizeBytes, 3);
    assert.deepEqual(committed[0]?.crcs, sums.crcs());
    assert.equal(await fs.readFile(file, 'latin1'), 'abc');
  });

  it('removes the file where it was not committed', async () => {
    const spool = await open();
    await spool.append(Buffer.from('abc'));
    await spool.close();
    await assert.rejects(fs.stat(file), { code: 'ENOENT' });
  });

  it('is good for reading only after a write failed, and says so once', async () => {
    let full = false;
    const spool = await open({
      writeAt: (...call) =>
        full ? Promise.reject(Object.assign(new Error('x'), { code: 'ENOSPC' })) : nodeFileSystem.writeAt(...call),
    });
    await spool.append(Buffer.from('abc'));
    full = true;
    await assert.rejects(spool.append(Buffer.from('def')), {
      code: 'store',
      message: 'cannot write to the spool: ENOSPC',
    });
    full = false;
    await assert.rejects(spool.append(Buffer.from('def')), { code: 'store' });
    await assert.rejects(spool.commit(digest, undefined), { code: 'store' });
    assert.equal(spool.writtenBytes, 3);
    const into = Buffer.alloc(10);
    assert.equal(await spool.read(into, 1), 2);
    assert.equal(into.toString('latin1', 0, 2), 'bc');
    assert.deepEqual(faults, ['cannot write to the spool: ENOSPC']);
    assert.deepEqual(committed, []);
    await spool.close();
  });

  it('takes no more bytes after its commit', async () => {
    const spool = await open();
    await spool.commit(digest, undefined);
    await assert.rejects(spool.append(Buffer.from('x')), { code: 'internal' });
    await spool.close();
  });

  it('closes its file only when no read is under way', async () => {
    const order: string[] = [];
    let finish: (() => void) | undefined;
    const spool = await open({
      readAt: async (...call) => {
        await new Promise<void>((resolve) => (finish = resolve));
        order.push('read');
        return nodeFileSystem.readAt(...call);
      },
      close: (fd) => {
        order.push('close');
        return nodeFileSystem.close(fd);
      },
    });
    await spool.append(Buffer.from('abc'));
    const reading = spool.read(Buffer.alloc(3), 0);
    const closing = spool.close();
    await assert.rejects(spool.read(Buffer.alloc(3), 0), { code: 'store' });
    finish?.();
    assert.equal(await reading, 3);
    await closing;
    assert.deepEqual(order, ['read', 'close']);
  });
});
