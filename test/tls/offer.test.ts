import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { offerOf } from '../../src/tls/offer.js';
import { beginRotation, openAuthorities } from '../../src/tls/rotation.js';
import { createTempDir } from '../support/temp-dir.js';

const NOW = Date.now();

describe('tls/offer', () => {
  it('hands out the certificate with its fingerprint, and never a key', async () => {
    await using dir = await createTempDir();
    const authorities = await openAuthorities(dir.path);
    const { pem, der, derFingerprint, fingerprints } = offerOf(authorities, NOW);
    assert.equal(pem, authorities.current.certificatePem);
    assert.equal(fingerprints, new X509Certificate(pem).fingerprint256);
    assert.equal(derFingerprint, fingerprints);
    assert.deepEqual(der, new X509Certificate(pem).raw);
    assert.doesNotMatch(pem, /PRIVATE KEY/);
  });

  it('B21: during a rotation it hands out both, and as DER the one that signs', async () => {
    await using dir = await createTempDir();
    const { fingerprintSha256: old } = (await openAuthorities(dir.path)).current;
    const authorities = await beginRotation(dir.path, { now: NOW, switchAt: NOW + 1000, permittedNames: [] });
    const fresh = authorities.next?.authority.fingerprintSha256;
    assert.equal(offerOf(authorities, NOW).fingerprints, `${old}, ${fresh}`);
    assert.equal(offerOf(authorities, NOW).pem.split('BEGIN CERTIFICATE').length, 3);
    for (const [at, signer] of [
      [NOW + 999, old],
      [NOW + 1000, fresh],
    ] as const) {
      assert.equal(new X509Certificate(offerOf(authorities, at).der).fingerprint256, signer);
      assert.equal(offerOf(authorities, at).derFingerprint, signer);
    }
  });
});
