import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { openAuthority } from '../src/app-authority.js';
import { loadConfig } from '../src/config/load.js';
import { createLogger } from '../src/telemetry/log.js';
import { createTempDir, type TempDir } from './support/temp-dir.js';

describe('app-authority', () => {
  let folder: TempDir;
  beforeEach(async () => {
    folder = await createTempDir();
  });
  afterEach(() => folder.remove());

  function open(intercept: string) {
    const flags = { intercept, 'ca-dir': path.join(folder.path, 'ca') };
    const logger = createLogger({ level: 'silent', format: 'json' });
    return openAuthority(loadConfig({ flags, env: {}, cwd: folder.path }), logger);
  }

  it('makes a CA where hosts may be opened, and offers it', async () => {
    const authority = await open('auto');
    assert.ok(authority.watched);
    assert.match(authority.offer().pem, /BEGIN CERTIFICATE/);
    assert.equal(authority.origin('/ca.crt')?.status, 200);
    assert.equal(authority.origin('/other'), undefined);
    assert.equal(authority.ownKeys().length, 1);
    assert.ok(authority.expiresSeconds() > 0);
    authority.close();
  });

  it('makes and needs none where nothing is opened', async () => {
    const authority = await open('none');
    assert.deepEqual(await readdir(folder.path), []);
    assert.equal(authority.watched, undefined);
    assert.deepEqual([authority.ownKeys(), authority.expiresSeconds()], [[], 0]);
    assert.equal(authority.origin('/ca.crt'), undefined);
    assert.throws(() => authority.offer(), { statusCode: 404 });
    assert.throws(() => authority.leaves.contextFor('a.test'));
    authority.close();
  });
});
