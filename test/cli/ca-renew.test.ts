import assert from 'node:assert/strict';
import path from 'node:path';
import type { AuthorityReport } from '../../src/cli/authority-report.js';
import { caInit } from '../../src/cli/ca-init.js';
import { caRenew } from '../../src/cli/ca-renew.js';
import { ConfigError } from '../../src/errors.js';
import { createTempDir, type TempDir } from '../support/temp-dir.js';
import { createFakeIo } from './fake-io.js';

describe('cli/ca-renew', () => {
  let dir: TempDir;

  beforeEach(async () => {
    dir = await createTempDir();
  });

  afterEach(() => dir.remove());

  async function call(command: typeof caInit, own: Record<string, string | true>, json = false, intercept = 'auto') {
    const io = createFakeIo({ cwd: dir.path });
    assert.equal(await command.run({ flags: { 'ca-dir': 'ca', intercept }, json, own }, io), 0);
    return io.written.out;
  }

  it('issues the next intermediate, and says that clients see no difference', async () => {
    await call(caInit, { 'offline-root': true, 'root-key': 'root.key' });
    const first = JSON.parse(await call(caRenew, { 'root-key': 'root.key' }, true)) as AuthorityReport;
    const second = JSON.parse(await call(caRenew, { 'root-key': 'root.key' }, true)) as AuthorityReport;
    assert.equal(second.fingerprintSha256, first.fingerprintSha256);
    assert.notEqual(second.intermediate?.fingerprintSha256, first.intermediate?.fingerprintSha256);
    const text = await call(caRenew, { 'root-key': path.join(dir.path, 'root.key') });
    assert.match(text, /^The next intermediate signs; a running proxy takes it up within a minute/);
    assert.doesNotMatch(text, /PRIVATE KEY/);
  });

  it('B10: constrains the intermediate to the hosts that are opened, where those are fixed', async () => {
    const text = await call(
      caInit,
      { 'offline-root': true, 'root-key': 'root.key' },
      false,
      'ghcr.io,*.corp.example:5000',
    );
    assert.match(text, /permittedNames +ghcr\.io, corp\.example\n/);
    const kept = JSON.parse(await call(caRenew, { 'root-key': 'root.key' }, true)) as AuthorityReport;
    assert.deepEqual(kept.permittedNames, ['ghcr.io', 'corp.example']);
    const other = JSON.parse(await call(caRenew, { 'root-key': 'root.key' }, true, 'quay.io')) as AuthorityReport;
    assert.deepEqual(other.permittedNames, ['quay.io']);
  });

  it('needs the key of the root', async () => {
    await assert.rejects(
      call(caRenew, {}),
      (error) => error instanceof ConfigError && /--root-key/.test(error.message),
    );
  });
});
