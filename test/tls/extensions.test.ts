import assert from 'node:assert/strict';
import { createHash, createPublicKey } from 'node:crypto';
import { encode } from '../../src/tls/der.js';
import {
  authorityConstraints,
  authorityKeyIdentifier,
  KEY_USAGE,
  keyIdentifier,
  keyUsage,
  leafConstraints,
  serverAuth,
  subjectAltName,
  subjectKeyIdentifier,
} from '../../src/tls/extensions.js';
import { ecKey } from './fixtures/foreign-authority.js';

function hex(value: Parameters<typeof encode>[0]): string {
  return encode(value).toString('hex');
}

describe('tls/extensions', () => {
  it('writes CA:TRUE with path length 0 and CA:FALSE, both critical', () => {
    assert.equal(hex(authorityConstraints()), '30120603551d130101ff040830060101ff020100');
    assert.equal(hex(leafConstraints()), '300c0603551d130101ff04023000');
  });

  it('writes key usages as the shortest bit string, critical', () => {
    assert.equal(hex(keyUsage(KEY_USAGE.keyCertSign, KEY_USAGE.cRLSign)), '300e0603551d0f0101ff040403020106');
    assert.equal(hex(keyUsage(KEY_USAGE.digitalSignature)), '300e0603551d0f0101ff040403020780');
  });

  it('writes the server purpose', () => {
    assert.equal(hex(serverAuth()), '30130603551d25040c300a06082b06010505070301');
  });

  it('writes one alternative name, critical on demand', () => {
    assert.equal(hex(subjectAltName('dns', Buffer.from('a.b'), false)), '300e0603551d11040730058203612e62');
    assert.equal(hex(subjectAltName('ip', Buffer.of(10, 0, 0, 1), true)), '30120603551d110101ff0408300687040a000001');
  });

  it('writes key identifiers, the own one plain and the issuer\u2019s under tag 0', () => {
    assert.equal(hex(subjectKeyIdentifier(Buffer.of(1, 2))), '300b0603551d0e040404020102');
    assert.equal(hex(authorityKeyIdentifier(Buffer.of(1, 2))), '300d0603551d230406300480020102');
  });

  it('identifies a key by 160 bits of the hash of its point', () => {
    const publicKey = createPublicKey(ecKey());
    const point = publicKey.export({ type: 'spki', format: 'der' }).subarray(-65);
    assert.deepEqual(keyIdentifier(publicKey), createHash('sha256').update(point).digest().subarray(0, 20));
  });
});
