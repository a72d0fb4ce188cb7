import assert from 'node:assert/strict';
import { createPublicKey, X509Certificate } from 'node:crypto';
import { distinguishedName, issueCertificate, randomSerial } from '../../src/tls/certificate.js';
import { children, contents, decode, encode } from '../../src/tls/der.js';
import { authorityConstraints } from '../../src/tls/extensions.js';
import { signingKey } from '../../src/tls/signing-key.js';
import { ecKey } from './fixtures/foreign-authority.js';

describe('tls/certificate', () => {
  it('issues a certificate that Node reads and verifies', () => {
    const key = ecKey('P-384');
    const notBefore = Date.parse('2028-02-29T12:00:00Z');
    const notAfter = Date.parse('2051-01-01T00:00:00Z');
    const certificate = new X509Certificate(
      issueCertificate(
        {
          issuer: distinguishedName('Bücher & Söhne'),
          subject: distinguishedName('b'),
          notBefore,
          notAfter,
          publicKey: createPublicKey(key),
          extensions: [authorityConstraints()],
        },
        signingKey(key),
      ),
    );
    assert.ok(certificate.verify(createPublicKey(key)));
    assert.ok(certificate.checkPrivateKey(key));
    assert.equal(certificate.issuer, 'CN=Bücher & Söhne');
    assert.equal(certificate.subject, 'CN=b');
    assert.equal(Date.parse(certificate.validFrom), notBefore);
    assert.equal(Date.parse(certificate.validTo), notAfter);
    assert.equal(certificate.ca, true);
  });

  it('gives random, positive serial numbers of 16 bytes', () => {
    const serials = Array.from({ length: 10_000 }, randomSerial);
    assert.equal(new Set(serials.map((serial) => serial.toString('hex'))).size, serials.length);
    for (const serial of serials) {
      assert.equal(serial.length, 16);
      assert.ok((serial[0] ?? 0) >= 0x40 && (serial[0] ?? 0) < 0x80, serial.toString('hex'));
    }
    const firstBytes = new Set(serials.map(([first]) => first));
    assert.equal(firstBytes.size, 64);
  });

  it('names the same algorithm inside and outside of what is signed', () => {
    const key = ecKey();
    const name = distinguishedName('a');
    const fields = { issuer: name, subject: name, notBefore: 0, notAfter: 0, publicKey: createPublicKey(key) };
    const [tbsCertificate, outer] = children(decode(issueCertificate({ ...fields, extensions: [] }, signingKey(key))));
    const [version, serial, inner] = children(tbsCertificate);
    assert.deepEqual(encode(inner ?? name), encode(outer ?? name));
    assert.deepEqual(contents(children(version)[0]), Buffer.of(2));
    assert.equal(contents(serial).length, 16);
  });

  it('can have an empty name', () => {
    assert.deepEqual(encode(distinguishedName()), Buffer.of(0x30, 0));
  });
});
