import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { caShow } from '../../src/cli/ca-show.js';
import { ConfigError } from '../../src/errors.js';
import { openAuthority } from '../../src/tls/authority.js';
import { createFakeIo } from './fake-io.js';

describe('cli/ca-show', () => {
  let folder = '';
  before(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'entrepot-ca-show-'));
    await openAuthority(folder);
  });
  after(() => rmSync(folder, { recursive: true }));

  it('tells subject, fingerprint, validity and place as JSON', async () => {
    const io = createFakeIo();
    assert.equal(await caShow.run({ flags: { 'ca-dir': folder }, json: true }, io), 0);
    const shown = JSON.parse(io.written.out) as Record<string, string>;
    const certificate = new X509Certificate(readFileSync(shown['certificatePath'] ?? ''));
    assert.deepEqual(shown, {
      subject: certificate.subject,
      fingerprintSha256: certificate.fingerprint256,
      notBefore: new Date(certificate.validFrom).toISOString(),
      notAfter: new Date(certificate.validTo).toISOString(),
      certificatePath: path.join(folder, 'ca.crt'),
    });
  });

  it('tells the same to a person', async () => {
    const io = createFakeIo();
    assert.equal(await caShow.run({ flags: { 'ca-dir': folder }, json: false }, io), 0);
    assert.match(io.written.out, /^subject {12}CN=.*\n.*\nnotBefore .*Z\nnotAfter .*Z\ncertificatePath .*ca\.crt\n$/);
  });

  it('makes no CA where there is none', async () => {
    const absent = path.join(folder, 'absent');
    await assert.rejects(caShow.run({ flags: { 'ca-dir': absent }, json: false }, createFakeIo()), (error) => {
      assert.ok(error instanceof ConfigError);
      assert.match(error.message, /there is no CA in .*absent/);
      return true;
    });
  });
});
