import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { describePermitted } from '../../src/tls/name-constraints.js';
import { constraintsFrom, newAuthority, newIntermediate, newOfflineRoot } from '../../src/tls/new-authority.js';
import { readCertificate } from '../../src/tls/read-certificate.js';

const DAY_MS = 86_400_000;
const NOW = Date.parse('2027-01-01T00:00:00Z');

function offlineRoot() {
  const { keyPem, certificatePem } = newOfflineRoot(NOW);
  return { key: createPrivateKey(keyPem), certificate: readCertificate(certificatePem) };
}

describe('tls/new-authority', () => {
  it('makes a root that signs leaves, for all names or for some', () => {
    const plain = readCertificate(newAuthority(NOW, undefined).certificatePem);
    assert.equal(plain.pathLength, 0);
    assert.equal(plain.nameConstraints, undefined);
    const { keyPem, certificatePem } = newAuthority(NOW, constraintsFrom(['ghcr.io', '10.0.0.0/8']));
    const some = readCertificate(certificatePem);
    assert.deepEqual(some.nameConstraints && describePermitted(some.nameConstraints), ['ghcr.io', '10.0.0.0/8']);
    assert.ok(some.x509.checkPrivateKey(createPrivateKey(keyPem)));
    assert.equal(constraintsFrom([]), undefined);
  });

  it('makes a root for intermediates, for ten years', () => {
    const { certificate } = offlineRoot();
    assert.equal(certificate.pathLength, 1);
    assert.match(certificate.x509.subject, /^CN=entrepot root CA [0-9a-f]{8}$/);
    assert.equal(Date.parse(certificate.x509.validTo), NOW + 3652 * DAY_MS);
    assert.ok(certificate.x509.verify(certificate.x509.publicKey));
  });

  it('makes an intermediate for 90 days that signs leaves only', () => {
    const root = offlineRoot();
    const own = readCertificate(newIntermediate(NOW, root, constraintsFrom(['ghcr.io'])).certificatePem);
    assert.equal(own.pathLength, 0);
    assert.ok(own.isAuthority && own.maySignCertificates);
    assert.ok(own.x509.checkIssued(root.certificate.x509) && own.x509.verify(root.certificate.x509.publicKey));
    const life = Date.parse(own.x509.validTo) - Date.parse(own.x509.validFrom);
    assert.equal(life, 90 * DAY_MS - 1000);
    assert.deepEqual(own.nameConstraints && describePermitted(own.nameConstraints), ['ghcr.io']);
  });

  it('lets no intermediate outlive its root', () => {
    const root = offlineRoot();
    const late = NOW + 3600 * DAY_MS;
    const own = new X509Certificate(newIntermediate(late, root, undefined).certificatePem);
    assert.equal(own.validTo, root.certificate.x509.validTo);
  });
});
