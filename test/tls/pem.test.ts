import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { isCertificate, isEncrypted, isPrivateKey, pemBlocks, toPem } from '../../src/tls/pem.js';
import { ecKey, foreignCertificate, pkcs8 } from './fixtures/foreign-authority.js';

describe('tls/pem', () => {
  it('finds the blocks of a file in their order and ignores the text around them', () => {
    const { pem } = foreignCertificate('anyone');
    const text = `subject=anyone\n${pem}\nBag Attributes\n${pkcs8(ecKey())}trailing`;
    const blocks = pemBlocks(text);
    assert.deepEqual(
      blocks.map(({ label }) => label),
      ['CERTIFICATE', 'PRIVATE KEY'],
    );
    assert.deepEqual(blocks.map(isCertificate), [true, false]);
    assert.deepEqual(blocks.map(isPrivateKey), [false, true]);
    assert.equal(blocks[0]?.text, pem);
  });

  it('reads files with carriage returns', () => {
    const { pem } = foreignCertificate('anyone');
    const [block] = pemBlocks(pem.replaceAll('\n', '\r\n'));
    assert.equal(new X509Certificate(block?.text ?? '').subject, 'CN=anyone');
  });

  it('does not take a block without its end line', () => {
    assert.deepEqual(pemBlocks('-----BEGIN CERTIFICATE-----\nAAAA\n-----END PRIVATE KEY-----\n'), []);
  });

  it('tells keys that need a passphrase, in the new form and the old', () => {
    const key = ecKey();
    const secret = { cipher: 'aes-128-cbc', passphrase: 'secret', format: 'pem' } as const;
    const encrypted = [key.export({ ...secret, type: 'pkcs8' }), key.export({ ...secret, type: 'sec1' }), pkcs8(key)];
    const blocks = encrypted.flatMap((text) => pemBlocks(text.toString()));
    assert.deepEqual(blocks.map(isEncrypted), [true, true, false]);
    assert.deepEqual(blocks.map(isPrivateKey), [true, true, true]);
  });

  it('writes what it reads', () => {
    const { pem } = foreignCertificate('anyone');
    assert.equal(toPem('CERTIFICATE', new X509Certificate(pem).raw), pem);
    assert.equal(new X509Certificate(pem).toString(), pem);
  });
});
