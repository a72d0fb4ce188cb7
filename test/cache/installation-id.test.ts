import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readInstallationId } from '../../src/cache/installation-id.js';

describe('cache/installation-id', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'entrepot-id-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  it('stays the same for a folder and differs between folders', async () => {
    const id = await readInstallationId(directory);
    assert.match(id, /^[0-9a-f]{16}$/);
    assert.equal(await readInstallationId(directory), id);
    await rm(join(directory, 'installation-id'));
    assert.notEqual(await readInstallationId(directory), id);
  });

  it('replaces an id that is damaged', async () => {
    await writeFile(join(directory, 'installation-id'), 'half');
    const id = await readInstallationId(directory);
    assert.equal(await readFile(join(directory, 'installation-id'), 'utf8'), `${id}\n`);
  });

  it('says which file it cannot write', async () => {
    await assert.rejects(readInstallationId(join(directory, 'missing')), /installation-id/);
  });
});
