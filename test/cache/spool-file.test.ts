import assert from 'node:assert/strict';
import fs from 'node:fs/promises';
import path from 'node:path';
import type { KeptSpool, Spool } from '../../src/cache/contract.js';
import { type FileSystem, nodeFileSystem } from '../../src/cache/file-system.js';
import { keptStem } from '../../src/cache/kept-names.js';
import { KeptSpools } from '../../src/cache/kept-spools.js';
import { type FinishedSpool, openKeptSpool, openSpool, type SpoolOptions } from '../../src/cache/spool-file.js';
import { RunningSums } from '../../src/cache/sums.js';
import { type CacheFolder, createCacheFolder } from '../support/cache-folder.js';
import { sampleBytes } from '../support/fake-fill.js';
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

describe('cache/spool-file that may be kept', () => {
  const MIB = 1024 * 1024;
  const body = sampleBytes(3 * MIB + 1234);
  const digest = digestOfBytes(body);
  let folder: CacheFolder;
  let kept: KeptSpools;
  let file: string;
  let committed: FinishedSpool[];

  beforeEach(async () => {
    folder = await createCacheFolder();
    await fs.mkdir(path.join(folder.directory, 'spool'), { recursive: true });
    kept = new KeptSpools({ directory: folder.directory, files: nodeFileSystem });
    file = kept.newPath(keptStem(digest, 'here'), body.length);
    committed = [];
  });
  afterEach(() => folder.dispose());

  function options(changes: Partial<FileSystem> = {}): SpoolOptions {
    return {
      files: { ...nodeFileSystem, ...changes },
      path: file,
      commit: async (spool) => {
        committed.push(spool);
        return { digest, sizeBytes: spool.sizeBytes, mediaType: undefined, storedAt: 0 };
      },
      onFault: () => {},
      keeper: kept.keeperOf(file),
    };
  }

  async function again(changes: Partial<FileSystem> = {}): Promise<KeptSpool> {
    const prefix = await kept.take(keptStem(digest, 'here'));
    assert.ok(prefix !== undefined);
    return openKeptSpool(options(changes), prefix);
  }

  async function replayed(spool: KeptSpool): Promise<Buffer> {
    const parts: Buffer[] = [];
    await spool.replay((bytes) => void parts.push(Buffer.from(bytes)));
    return Buffer.concat(parts);
  }

  async function append(spool: Spool, start: number, end: number): Promise<void> {
    for (let at = start; at < end; at += MIB) await spool.append(body.subarray(at, Math.min(end, at + MIB)));
  }

  async function keepSome(sizeBytes = 2 * MIB): Promise<void> {
    const spool = await openSpool(options());
    await append(spool, 0, sizeBytes);
    await spool.keep?.();
  }

  function names(): Promise<string[]> {
    return fs.readdir(path.join(folder.directory, 'spool'));
  }

  it('goes on where it was left, and has the sums of the whole', async () => {
    await keepSome();
    const spool = await again();
    assert.deepEqual([spool.writtenBytes, spool.expectedBytes], [2 * MIB, body.length]);
    assert.ok((await replayed(spool)).equals(body.subarray(0, 2 * MIB)));
    await append(spool, 2 * MIB, body.length);
    await spool.commit(digest, undefined);
    await spool.close();
    const sums = new RunningSums();
    sums.update(body);
    assert.deepEqual([committed[0]?.sizeBytes, committed[0]?.crcs], [body.length, sums.crcs()]);
    assert.ok((await fs.readFile(file)).equals(body));
    assert.deepEqual(await names(), [path.basename(file)], 'the note is gone');
  });

  it('is kept and gone on with any number of times', async () => {
    await keepSome(MIB);
    const spool = await again();
    await replayed(spool);
    await append(spool, MIB, 2 * MIB + 5000);
    await spool.keep();
    const last = await again();
    assert.ok((await replayed(last)).equals(body.subarray(0, 2 * MIB + 5000)));
    await last.close();
    assert.deepEqual(await names(), []);
  });

  it('stays as it was where nobody went on with it', async () => {
    await keepSome();
    await (await again()).keep();
    assert.equal(kept.usage.bytes, 2 * MIB);
    assert.ok((await replayed(await again())).equals(body.subarray(0, 2 * MIB)));
  });

  it('notes what is good while it is written, so that a kill costs little', async () => {
    const spool = await openSpool(options());
    await append(spool, 0, 3 * MIB);
    const other = new KeptSpools({ directory: folder.directory, files: nodeFileSystem });
    await other.load();
    assert.equal(other.usage.bytes, 3 * MIB);
    await spool.close();
  });

  it('I03 gives nothing behind the first damage, and writes it again', async () => {
    await keepSome();
    const handle = await fs.open(file, 'r+');
    await handle.write(Buffer.from([(body[MIB + 5] ?? 0) ^ 1]), 0, 1, MIB + 5);
    await handle.close();
    const spool = await again();
    assert.ok((await replayed(spool)).equals(body.subarray(0, MIB)));
    assert.equal(spool.writtenBytes, MIB);
    assert.equal((await fs.stat(file)).size, MIB);
    await append(spool, MIB, body.length);
    await spool.commit(digest, undefined);
    await spool.close();
    assert.ok((await fs.readFile(file)).equals(body));
  });

  it('I05 takes what cannot be read for damaged', async () => {
    await keepSome();
    const spool = await again({ readAt: () => Promise.reject(Object.assign(new Error('x'), { code: 'EIO' })) });
    assert.equal((await replayed(spool)).length, 0);
    assert.equal(spool.writtenBytes, 0);
    await spool.close();
  });

  it('cuts off what was written behind the last note', async () => {
    await keepSome();
    await fs.appendFile(file, Buffer.alloc(5 * MIB));
    await (await again()).close();
    await keepSome();
    await fs.appendFile(file, Buffer.alloc(5 * MIB));
    await again();
    assert.equal((await fs.stat(file)).size, 2 * MIB);
  });

  it('takes nothing before it was replayed', async () => {
    await keepSome();
    const spool = await again();
    await assert.rejects(spool.append(Buffer.from('x')), { code: 'internal' });
    await spool.close();
  });

  const worthless: readonly [string, (spool: Spool) => Promise<void>][] = [
    ['too little', (spool) => spool.append(Buffer.from('abc'))],
    [
      'committed',
      async (spool) => {
        await append(spool, 0, body.length);
        await spool.commit(digest, undefined);
      },
    ],
  ];
  for (const [what, use] of worthless) {
    it(`keeps nothing that is ${what}`, async () => {
      const spool = await openSpool(options());
      await use(spool);
      await spool.keep?.();
      assert.equal(kept.usage.entries, 0);
    });
  }

  it('keeps nothing where the disk failed, or the note cannot be written', async () => {
    let full = false;
    const failing: Partial<FileSystem> = {
      writeAt: (...call) =>
        full ? Promise.reject(Object.assign(new Error('x'), { code: 'ENOSPC' })) : nodeFileSystem.writeAt(...call),
    };
    const spool = await openSpool(options(failing));
    await append(spool, 0, 2 * MIB);
    full = true;
    await assert.rejects(spool.append(body.subarray(2 * MIB)), { code: 'store' });
    await spool.keep?.();
    assert.deepEqual(await names(), []);

    const keeper = { ...kept.keeperOf(file), note: () => Promise.reject(new Error('ENOSPC')) };
    const other = await openSpool({ ...options(), keeper });
    await append(other, 0, 2 * MIB);
    await other.keep?.();
    assert.equal(kept.usage.entries, 0);
    await assert.rejects(fs.stat(file), { code: 'ENOENT' });
  });

  it('drops what nobody wants to keep', async () => {
    const spool = await openSpool(options());
    await append(spool, 0, 2 * MIB);
    await spool.close();
    assert.deepEqual(await names(), []);
  });
});
