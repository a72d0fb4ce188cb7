import assert from 'node:assert/strict';
import { createPrivateKey } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError } from '../../src/errors.js';
import { readClientCertificate } from '../../src/upstream/client-certificate.js';
import { createTempDir, type TempDir } from '../support/temp-dir.js';
import { createTestAuthority } from '../support/test-certificates.js';

describe('upstream/client-certificate', () => {
  const authority = createTestAuthority();
  const ours = authority.issue(['proxy.test']);
  let folder: TempDir;
  beforeEach(async () => {
    folder = await createTempDir();
  });
  afterEach(() => folder.remove());

  async function read(cert: string, key: string): Promise<{ cert: string; key: string }> {
    const [certFile, keyFile] = [join(folder.path, 'us.crt'), join(folder.path, 'us.key')];
    await writeFile(certFile, cert);
    await writeFile(keyFile, key);
    return readClientCertificate(certFile, keyFile, 'c.yaml:3');
  }

  it('reads a certificate with those above it, and its key', async () => {
    const { cert, key } = await read(`${ours.certificatePem}${authority.certificatePem}`, ours.keyPem);
    assert.equal(cert.match(/BEGIN CERTIFICATE/g)?.length, 2);
    assert.equal(key, ours.keyPem);
  });

  const encrypted = createPrivateKey(ours.keyPem)
    .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' })
    .toString();
  const wrong: readonly (readonly [string, string, string, RegExp])[] = [
    ['a key of another certificate', ours.certificatePem, authority.keyPem, /us\.key is not the key of .*us\.crt$/],
    ['no key at all', ours.certificatePem, 'x', /us\.key holds no private key that can be read/],
    ['a key with a passphrase', ours.certificatePem, encrypted, /without a passphrase/],
    ['no certificate', 'x', ours.keyPem, /us\.crt holds no PEM certificate/],
  ];
  for (const [what, cert, key, words] of wrong) {
    it(`refuses ${what}, and says where it is named`, async () => {
      await assert.rejects(read(cert, key), (error) => {
        assert.ok(error instanceof ConfigError);
        assert.match(error.message, words);
        return error.message.startsWith('c.yaml:3: ');
      });
    });
  }
});
