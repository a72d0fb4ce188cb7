import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import type { DetailedPeerCertificate } from 'node:tls';
import { createOwnAuthority } from '../../src/upstream/own-authority.js';
import { type MadeCertificate, makeCertificate } from '../support/made-certificate.js';

const own = makeCertificate({ subject: 'entrepot', authority: {} });
const other = makeCertificate({ subject: 'other', authority: {} });
const spki = own.publicKey.export({ type: 'spki', format: 'der' });

/** A chain as node:tls gives it: each certificate has its issuer, a root itself. */
function chain(...certificates: readonly MadeCertificate[]): DetailedPeerCertificate {
  let above: DetailedPeerCertificate | undefined;
  for (const { pem } of certificates.toReversed()) {
    const link = { raw: new X509Certificate(pem).raw } as DetailedPeerCertificate;
    link.issuerCertificate = above ?? link;
    above = link;
  }
  return above as DetailedPeerCertificate;
}

describe('upstream/own-authority', () => {
  const authority = createOwnAuthority(() => [spki]);

  it('knows its key in any certificate', () => {
    const renewed = makeCertificate({ subject: 'renamed', publicKey: own.publicKey, issuer: other, authority: {} });
    assert.deepEqual(
      [own.pem, renewed.pem, other.pem, 'nonsense'].map((pem) => authority.hasOwnKey(pem)),
      [true, true, false, false],
    );
  });

  it('C04: knows what it signed, wherever in a chain', () => {
    const leaf = makeCertificate({ subject: 'leaf', issuer: own });
    const middle = makeCertificate({ subject: 'middle', issuer: own, authority: {} });
    const below = makeCertificate({ subject: 'below', issuer: middle });
    for (const one of [chain(leaf), chain(leaf, own), chain(below, middle), chain(own)]) {
      assert.equal(authority.isInChain(one), true);
    }
  });

  it('leaves other chains alone, of any length and kind of key', () => {
    const rsa = makeCertificate({ subject: 'rsa', issuer: other, authority: {}, key: 'rsa2048' });
    const leaf = makeCertificate({ subject: 'leaf', issuer: rsa });
    assert.equal(authority.isInChain(chain(leaf, rsa, other)), false);
    assert.equal(authority.isInChain({} as DetailedPeerCertificate), false);
  });

  it('asks for the keys each time, since a CA can be replaced', () => {
    let keys: Buffer[] = [];
    const changing = createOwnAuthority(() => keys);
    assert.equal(changing.hasOwnKey(own.pem), false);
    keys = [spki];
    assert.equal(changing.hasOwnKey(own.pem), true);
  });
});
