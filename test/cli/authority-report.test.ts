import assert from 'node:assert/strict';
import { join } from 'node:path';
import { authorityReport, renderReport } from '../../src/cli/authority-report.js';
import { initOfflineRoot } from '../../src/tls/offline-root.js';
import { beginRotation, openAuthorities } from '../../src/tls/rotation.js';
import { createTempDir, type TempDir } from '../support/temp-dir.js';

const NOW = Date.now();
const FINGERPRINT = /^(?:[0-9A-F]{2}:){31}[0-9A-F]{2}$/;

describe('cli/authority-report', () => {
  let dir: TempDir;

  beforeEach(async () => {
    dir = await createTempDir();
  });

  afterEach(() => dir.remove());

  it('says nothing of what is not there', async () => {
    const report = authorityReport(await openAuthorities(dir.path));
    assert.deepEqual(Object.keys(report), ['subject', 'fingerprintSha256', 'notBefore', 'notAfter', 'certificatePath']);
    assert.equal(renderReport(report).split('\n').length, 6);
  });

  it('B21: has both CAs during a rotation, with fingerprints and dates', async () => {
    await openAuthorities(dir.path);
    const switchAt = Date.parse('2035-01-01T00:00:00Z');
    const report = authorityReport(await beginRotation(dir.path, { now: NOW, switchAt, permittedNames: ['ghcr.io'] }));
    assert.equal(report.permittedNames, undefined);
    assert.equal(report.next?.signsFrom, '2035-01-01T00:00:00.000Z');
    assert.deepEqual(report.next.permittedNames, ['ghcr.io']);
    assert.match(report.next.fingerprintSha256, FINGERPRINT);
    assert.notEqual(report.next.fingerprintSha256, report.fingerprintSha256);
    const text = renderReport(report);
    assert.match(text, /\n\nthe coming CA:\n {2}subject {12}CN=entrepot CA /);
    assert.match(text, /\n {2}signsFrom +2035-01-01T00:00:00\.000Z\n {2}permittedNames {5}ghcr\.io\n$/);
  });

  it('has the root at the top, and what signs below it', async () => {
    const rootKeyFile = join(dir.path, 'root.key');
    const current = await initOfflineRoot(join(dir.path, 'ca'), { rootKeyFile, permittedNames: [], now: NOW });
    const report = authorityReport({ current, next: undefined });
    assert.match(report.subject, /^CN=entrepot root CA /);
    assert.equal(report.fingerprintSha256, current.fingerprintSha256);
    assert.equal(Date.parse(report.intermediate?.notAfter ?? ''), current.notAfter);
    assert.match(renderReport(report), /\n\nbelow it, what signs:\n {2}subject {12}CN=entrepot CA /);
  });
});
