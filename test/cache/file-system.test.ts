import assert from 'node:assert/strict';
import { constants } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import {
  discardFile,
  errorCode,
  nodeFileSystem as files,
  folderFault,
  storeFault,
} from '../../src/cache/file-system.js';
import { ProxyError } from '../../src/errors.js';
import { type CacheFolder, createCacheFolder } from '../support/cache-folder.js';

describe('cache/file-system', () => {
  let folder: CacheFolder;
  beforeEach(async () => {
    folder = await createCacheFolder();
  });
  afterEach(() => folder.dispose());

  it('writes and reads at offsets, and says where a file ends', async () => {
    const file = path.join(folder.directory, 'deep', 'file');
    await files.makeFolder(path.dirname(file));
    const fd = await files.open(file, constants.O_RDWR | constants.O_CREAT);
    await files.writeAt(fd, Buffer.from('hello world'), 0);
    await files.writeAt(fd, Buffer.from('W'), 6);
    await files.dataSync(fd);
    await files.syncFolder(path.dirname(file));
    const into = Buffer.alloc(20);
    assert.equal(await files.readAt(fd, into, 20, 6), 5);
    assert.equal(into.toString('latin1', 0, 5), 'World');
    const facts = await files.factsOf(fd);
    assert.equal(facts.sizeBytes, 11);
    assert.deepEqual(await files.factsAt(file), facts);
    await files.close(fd);
    assert.ok((await files.freeBytes(folder.directory)) > 0);
  });

  it('finds nothing where nothing is, and does not follow a link', async () => {
    const link = path.join(folder.directory, 'link');
    assert.equal(await files.factsAt(link), undefined);
    await fs.symlink('/etc/hostname', link);
    assert.equal((await files.factsAt(link))?.isFile, false);
    await discardFile(files, link);
    await discardFile(files, link);
    assert.equal(await files.factsAt(link), undefined);
  });

  it('says what could not be done and why, in a store fault', () => {
    const fault = storeFault('write', Object.assign(new Error('long story'), { code: 'ENOSPC' }));
    assert.equal(fault.code, 'store');
    assert.equal(fault.message, 'cannot write: ENOSPC');
    const own = new ProxyError('content-damaged', 'x');
    assert.equal(storeFault('read', own), own);
    assert.equal(storeFault('read', 'text').message, 'cannot read: text');
    assert.equal(errorCode('text'), undefined);
  });

  it('says of a data folder in words what is wrong, and what to do', () => {
    for (const [code, words] of [
      ['ENOTDIR', 'a part of the path is a file (ENOTDIR)'],
      ['EROFS', 'the file system is read-only (EROFS)'],
      ['EACCES', 'this user may not write there (EACCES)'],
      ['EPERM', 'the file system forbids it (EPERM)'],
      ['ENOENT', 'nothing can be made there (ENOENT)'],
      ['EIO', 'EIO'],
    ] as const) {
      const fault = folderFault('lock it', Object.assign(new Error('long story'), { code }));
      assert.equal(fault.code, 'store');
      assert.equal(fault.message, `cannot lock it: ${words}; choose another folder with --data-dir`);
    }
    const own = new ProxyError('store', 'in use');
    assert.equal(folderFault('lock it', own), own);
    assert.equal(folderFault('lock it', 'text').message, 'cannot lock it: text');
  });
});
