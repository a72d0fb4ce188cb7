import assert from 'node:assert/strict';
import fs from 'node:fs/promises';
import path from 'node:path';
import { otherFilesBytes } from '../../src/cache/other-files.js';
import { type CacheFolder, createCacheFolder } from '../support/cache-folder.js';

describe('cache/other-files', () => {
  let folder: CacheFolder;

  beforeEach(async () => {
    folder = await createCacheFolder();
    for (const name of ['spool', 'quarantine', 'blobs']) await fs.mkdir(path.join(folder.directory, name));
  });

  afterEach(() => folder.dispose());

  it('counts index, log, quarantine and what is kept in the spool; neither content nor open spools', async () => {
    const file = (name: string): string => path.join(folder.directory, name);
    await fs.writeFile(file('index.v1.sqlite'), Buffer.alloc(5000));
    await fs.writeFile(file('facts.log'), 'x');
    await fs.writeFile(file('quarantine/a'), Buffer.alloc(4096));
    await fs.writeFile(file('spool/kept'), Buffer.alloc(4096));
    await fs.writeFile(file('spool/open'), Buffer.alloc(100_000));
    await fs.writeFile(file('blobs/content'), Buffer.alloc(100_000));
    await fs.symlink(file('blobs/content'), file('link'));
    assert.equal(await otherFilesBytes(folder.directory, (name) => name === file('spool/open')), 5 * 4096);
  });

  it('takes what cannot be looked at for nothing', async () => {
    assert.equal(await otherFilesBytes(path.join(folder.directory, 'gone'), () => false), 0);
  });
});
