import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { caExport } from '../../src/cli/ca-export.js';
import { openAuthority } from '../../src/tls/authority.js';
import { beginRotation } from '../../src/tls/rotation.js';
import { createFakeIo } from './fake-io.js';

describe('cli/ca-export', () => {
  let folder = '';
  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'entrepot-ca-export-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  it('prints the certificate and nothing else', async () => {
    const { certificatePem } = await openAuthority(folder);
    const io = createFakeIo({ env: { ENTREPOT_CA_DIR: folder } });
    assert.equal(await caExport.run({ flags: {}, json: false }, io), 0);
    assert.equal(io.written.out, certificatePem);
    assert.doesNotMatch(io.written.out, /PRIVATE KEY/);
  });

  it('B21: prints both certificates during a rotation', async () => {
    await openAuthority(folder);
    const { current, next } = await beginRotation(folder, {
      now: Date.now(),
      switchAt: Date.now(),
      permittedNames: [],
    });
    const io = createFakeIo({ env: { ENTREPOT_CA_DIR: folder } });
    assert.equal(await caExport.run({ flags: {}, json: false }, io), 0);
    assert.equal(io.written.out, `${current.trustPem}${next?.authority.trustPem}`);
    assert.doesNotMatch(io.written.out, /PRIVATE KEY/);
  });
});
