import assert from 'node:assert/strict';
import { chmod, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { isToken, openAdminToken, TOKEN_FILE } from '../../src/admin/token.js';
import { ConfigError } from '../../src/errors.js';
import { createTempDir, type TempDir } from '../support/temp-dir.js';

describe('admin/token', () => {
  let folder: TempDir;
  let file = '';
  beforeEach(async () => {
    folder = await createTempDir();
    file = path.join(folder.path, TOKEN_FILE);
  });
  afterEach(() => folder.remove());

  it('is made once, for the owner alone, and of 256 random bits', async () => {
    const token = await openAdminToken(folder.path);
    assert.match(token, /^[\w-]{43}$/);
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    assert.equal(await readFile(file, 'utf8'), `${token}\n`);
    assert.equal(await openAdminToken(folder.path), token);
  });

  it('is one and the same for all who start at once', async () => {
    await writeFile(file, 'a-token-that-was-there\n', { mode: 0o600 });
    const tokens = await Promise.all(Array.from({ length: 8 }, () => openAdminToken(folder.path)));
    assert.deepEqual(new Set(tokens), new Set(['a-token-that-was-there']));
  });

  it('may be read by a group and not by everybody', async () => {
    const token = await openAdminToken(folder.path);
    await chmod(file, 0o640);
    assert.equal(await openAdminToken(folder.path), token);
    await chmod(file, 0o604);
    await assert.rejects(openAdminToken(folder.path), (error) => {
      assert.ok(error instanceof ConfigError);
      assert.match(error.message, /admin\.token is open to everybody .* chmod 600 /);
      assert.ok(!error.message.includes(token));
      return true;
    });
  });

  it('says what is wrong with a file that holds none', async () => {
    for (const text of ['', '\n', 'short', 'two words and more of them', 'x'.repeat(600)]) {
      await writeFile(file, text, { mode: 0o600 });
      await assert.rejects(openAdminToken(folder.path), /holds no token of 16 to 512 printable characters/);
    }
    await assert.rejects(openAdminToken(path.join(folder.path, 'absent')), /cannot be used \(ENOENT\)/);
  });

  it('K01: is compared in constant time, whatever the lengths', () => {
    assert.equal(isToken('same-token-same-token', 'same-token-same-token'), true);
    for (const other of ['', 's', 'same-token-same-tokeN', 'same-token-same-token-and-more']) {
      assert.equal(isToken(other, 'same-token-same-token'), false);
    }
  });
});
