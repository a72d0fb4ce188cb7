import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { boolean, encode, integer, octetString, oid, sequence } from '../../src/tls/der.js';
import {
  authorityConstraints,
  KEY_USAGE,
  keyIdentifier,
  keyUsage,
  leafConstraints,
  OID,
  serverAuth,
  subjectKeyIdentifier,
} from '../../src/tls/extensions.js';
import { toPem } from '../../src/tls/pem.js';
import { readCertificate } from '../../src/tls/read-certificate.js';
import { ecKey, foreignCertificate } from './fixtures/foreign-authority.js';

function purposes(...ids: string[]): ReturnType<typeof sequence> {
  return sequence([oid(OID.extKeyUsage), octetString(encode(sequence(ids.map(oid))))]);
}

describe('tls/read-certificate', () => {
  it('reads what a CA certificate allows', () => {
    const all = foreignCertificate('all', {
      extensions: [authorityConstraints(), keyUsage(KEY_USAGE.keyCertSign, KEY_USAGE.cRLSign), serverAuth()],
    });
    const { isAuthority, maySignCertificates, mayServe } = readCertificate(all.pem);
    assert.deepEqual(
      { isAuthority, maySignCertificates, mayServe },
      { isAuthority: true, maySignCertificates: true, mayServe: true },
    );
  });

  it('takes the absence of usages and purposes for a yes, and of constraints for a no', () => {
    const bare = readCertificate(foreignCertificate('bare', { extensions: [] }).pem);
    assert.equal(bare.isAuthority, false);
    assert.equal(bare.maySignCertificates, true);
    assert.equal(bare.mayServe, true);
  });

  it('sees CA:FALSE, written or left out', () => {
    const written = sequence([oid(OID.basicConstraints), octetString(encode(sequence([boolean(false)])))]);
    const lengthOnly = sequence([oid(OID.basicConstraints), octetString(encode(sequence([integer(Buffer.of(1))])))]);
    for (const extension of [written, lengthOnly, leafConstraints()]) {
      assert.equal(readCertificate(foreignCertificate('leaf', { extensions: [extension] }).pem).isAuthority, false);
    }
  });

  it('sees a missing keyCertSign and a missing serverAuth', () => {
    const signer = foreignCertificate('signer', { extensions: [keyUsage(KEY_USAGE.digitalSignature)] });
    assert.equal(readCertificate(signer.pem).maySignCertificates, false);
    const mail = foreignCertificate('mail', { extensions: [purposes('1.3.6.1.5.5.7.3.4')] });
    assert.equal(readCertificate(mail.pem).mayServe, false);
    const any = foreignCertificate('any', { extensions: [purposes('1.3.6.1.5.5.7.3.4', OID.anyExtendedKeyUsage)] });
    assert.equal(readCertificate(any.pem).mayServe, true);
  });

  it('gives the stated key identifier, else the one that we would give', () => {
    const stated = foreignCertificate('stated', { extensions: [subjectKeyIdentifier(Buffer.from('anything'))] });
    assert.deepEqual(readCertificate(stated.pem).keyIdentifier, Buffer.from('anything'));
    const key = ecKey();
    const silent = foreignCertificate('silent', { key, extensions: [] });
    assert.deepEqual(readCertificate(silent.pem).keyIdentifier, keyIdentifier(createPublicKey(key)));
  });

  it('does not parse extensions that it has no use for', () => {
    const odd = sequence([oid('1.3.6.1.4.1.99999.1'), octetString(Buffer.from('no DER'))]);
    assert.equal(readCertificate(foreignCertificate('odd', { extensions: [odd] }).pem).x509.subject, 'CN=odd');
  });

  it('refuses what is not a certificate', () => {
    assert.throws(() => readCertificate(toPem('CERTIFICATE', Buffer.from('junk'))));
  });
});
