import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ConfigError } from '../../src/errors.js';
import { openPasswordFile } from '../../src/proxy/password-file.js';
import { createTempDir, type TempDir } from '../support/temp-dir.js';

const HASH = '$2b$04$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy';

describe('proxy/password-file', () => {
  let folder: TempDir;
  let file = '';
  let now = 0;
  let faults: string[] = [];
  beforeEach(async () => {
    folder = await createTempDir();
    file = path.join(folder.path, 'users');
    now = 0;
    faults = [];
    await writeFile(file, `ada:${HASH}\n`);
  });
  afterEach(() => folder.remove());
  const open = () => openPasswordFile({ file, onFault: (sentence) => faults.push(sentence), now: () => now });

  it('reads the file again once it has changed, and looks at most once a second', async () => {
    const users = await open();
    assert.ok((await users.current()).hashOf('ada'));
    await writeFile(file, `bob:${HASH}\nada2:${HASH}\n`);
    now += 999;
    assert.ok((await users.current()).hashOf('ada'));
    now += 1;
    const [one, two] = await Promise.all([users.current(), users.current()]);
    assert.equal(one.hashOf('ada'), undefined);
    assert.ok(one.hashOf('bob'));
    assert.equal(one, two);
  });

  it('keeps the last users where the file turns bad or goes, and says so once', async () => {
    const users = await open();
    await writeFile(file, 'ada:plain\n');
    for (let look = 0; look < 3; look += 1) {
      now += 1_000;
      assert.ok((await users.current()).hashOf('ada'));
    }
    assert.equal(faults.length, 1);
    assert.match(faults[0] ?? '', /users:1: the password of ada is not hashed with bcrypt/);
    await rm(file);
    now += 1_000;
    assert.ok((await users.current()).hashOf('ada'));
    assert.match(faults[1] ?? '', /cannot be read \(ENOENT\)/);
    await writeFile(file, `bob:${HASH}\n`);
    now += 1_000;
    assert.ok((await users.current()).hashOf('bob'));
  });

  it('is a fault of the configuration where it cannot be read at the start', async () => {
    await rm(file);
    await assert.rejects(open(), (error) => {
      assert.ok(error instanceof ConfigError);
      assert.deepEqual(error.problems, [`--proxy-auth: ${file} cannot be read (ENOENT).`]);
      return true;
    });
  });
});
