import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError } from '../../src/errors.js';
import {
  certificatePath,
  keyPath,
  prepareFolder,
  publishCertificate,
  publishKey,
  readAuthorityFiles,
  sweepTemporaryFiles,
} from '../../src/tls/authority-files.js';
import { createTempDir, type TempDir } from '../support/temp-dir.js';

async function modeOf(path: string): Promise<number> {
  return (await stat(path)).mode & 0o777;
}

const ABSENT = { keyMode: 0, nextPem: undefined, nextMode: 0 };

describe('tls/authority-files', () => {
  let dir: TempDir;

  beforeEach(async () => {
    dir = await createTempDir();
  });

  afterEach(() => dir.remove());

  it('creates a folder for the owner alone and leaves an existing one as it is', async () => {
    const made = join(dir.path, 'a', 'b');
    await prepareFolder(made);
    assert.equal(await modeOf(made), 0o700);
    await chmod(made, 0o755);
    await prepareFolder(made);
    assert.equal(await modeOf(made), 0o755);
  });

  it('gives the names only once, the key with mode 0600, and leaves nothing else behind', async () => {
    assert.equal(await publishKey(dir.path, 'first'), true);
    assert.equal(await publishKey(dir.path, 'second'), false);
    assert.equal(await publishCertificate(dir.path, 'one'), true);
    assert.equal(await publishCertificate(dir.path, 'two'), false);
    assert.equal(await readFile(keyPath(dir.path), 'utf8'), 'first');
    assert.equal(await readFile(certificatePath(dir.path), 'utf8'), 'one');
    assert.equal(await modeOf(keyPath(dir.path)), 0o600);
    assert.deepEqual((await readdir(dir.path)).sort(), ['ca.crt', 'ca.key']);
  });

  it('has one winner among many', async () => {
    const won = await Promise.all(Array.from({ length: 20 }, (_, index) => publishKey(dir.path, String(index))));
    assert.equal(won.filter(Boolean).length, 1);
    assert.equal(await readFile(keyPath(dir.path), 'utf8'), String(won.indexOf(true)));
  });

  it('reads what is there, with the mode of what a symbolic link names', async () => {
    assert.deepEqual(await readAuthorityFiles(dir.path), { ...ABSENT, keyPem: undefined, certificatesPem: undefined });
    await writeFile(join(dir.path, 'secret'), 'key');
    await chmod(join(dir.path, 'secret'), 0o640);
    await symlink('secret', keyPath(dir.path));
    await publishCertificate(dir.path, 'certificate');
    assert.deepEqual(await readAuthorityFiles(dir.path), {
      ...ABSENT,
      keyPem: 'key',
      keyMode: 0o640,
      certificatesPem: 'certificate',
    });
  });

  it('sweeps its own temporary files and nothing else', async () => {
    const names = ['ca.key.0123456789abcdef.tmp', 'ca.crt.fedcba9876543210.tmp', 'ca.key.old', 'README', 'x.tmp'];
    for (const name of names) await writeFile(join(dir.path, name), '');
    await sweepTemporaryFiles(dir.path);
    assert.deepEqual((await readdir(dir.path)).sort(), ['README', 'ca.key.old', 'x.tmp']);
    await sweepTemporaryFiles(join(dir.path, 'absent'));
  });

  it('says in one sentence what is in the way', async () => {
    const file = join(dir.path, 'file');
    await writeFile(file, '');
    await mkdir(keyPath(dir.path));
    const rows: readonly (readonly [() => Promise<unknown>, RegExp])[] = [
      [() => prepareFolder(file), /cannot create the CA folder .*file \(EEXIST\): there is a file of that name/],
      [() => prepareFolder(join(file, 'sub')), /\(ENOTDIR\): a part of the path is a file/],
      [() => readAuthorityFiles(dir.path), /cannot read .*ca\.key \(EISDIR\): there is a folder/],
      [() => publishKey(file, ''), /cannot write .*ca\.key \(ENOTDIR\)/],
    ];
    for (const [attempt, sentence] of rows) {
      await assert.rejects(attempt(), (error) => error instanceof ConfigError && sentence.test(error.message));
    }
  });
});
