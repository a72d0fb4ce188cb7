import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { ConfigError } from '../../src/errors.js';
import { parseCertificate, readCertificates, systemRoots } from '../../src/upstream/root-certificates.js';
import { createTempDir, type TempDir } from '../support/temp-dir.js';
import { createTestAuthority } from '../support/test-certificates.js';

describe('upstream/root-certificates', () => {
  const { certificatePem } = createTestAuthority();
  let folder: TempDir;
  beforeEach(async () => {
    folder = await createTempDir();
  });
  afterEach(() => folder.remove());

  async function file(text: string): Promise<string> {
    const path = join(folder.path, 'some.pem');
    await writeFile(path, text);
    return path;
  }

  it('takes the first bundle that there is, and what Node brings where there is none', async () => {
    const path = await file(`# a comment\n${certificatePem}${certificatePem}`);
    assert.equal((await systemRoots([join(folder.path, 'none'), path])).length, 2);
    assert.equal(await systemRoots([]), rootCertificates);
  });

  it('reads all certificates of a file that is named', async () => {
    const found = await readCertificates(await file(`${certificatePem}\ntext\n${certificatePem}`), 'x');
    assert.deepEqual(found, [certificatePem.trim(), certificatePem.trim()]);
  });

  it('says by the name it was given what is wrong with a file', async () => {
    const broken = await file('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----');
    await assert.rejects(
      readCertificates(broken, 'here'),
      new ConfigError(['here holds a certificate that cannot be read']),
    );
    await assert.rejects(readCertificates(await file('x'), 'here'), new ConfigError(['here holds no PEM certificate']));
    await assert.rejects(
      readCertificates(join(folder.path, 'no'), 'here'),
      /^ConfigError: here cannot be read: ENOENT/,
    );
  });

  it('parses PEM and DER, and gives undefined for anything else', () => {
    const parsed = parseCertificate(certificatePem);
    assert.ok(parsed);
    assert.equal(parseCertificate(parsed.raw)?.fingerprint256, parsed.fingerprint256);
    assert.equal(parseCertificate('x'), undefined);
  });
});
