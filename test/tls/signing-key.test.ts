import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { children, encode, readOid } from '../../src/tls/der.js';
import { signingKey, unsuitableKey } from '../../src/tls/signing-key.js';
import { ecKey, rsaKey } from './fixtures/foreign-authority.js';

describe('tls/signing-key', () => {
  const cases = [
    { key: ecKey('P-256'), id: '1.2.840.10045.4.3.2', hash: 'sha256', parameters: 0 },
    { key: ecKey('P-384'), id: '1.2.840.10045.4.3.3', hash: 'sha384', parameters: 0 },
    { key: ecKey('P-521'), id: '1.2.840.10045.4.3.4', hash: 'sha512', parameters: 0 },
    { key: rsaKey(), id: '1.2.840.113549.1.1.11', hash: 'sha256', parameters: 1 },
  ];
  for (const { key, id, hash, parameters } of cases) {
    it(`signs with ${id} where the key is ${key.asymmetricKeyDetails?.namedCurve ?? 'RSA'}`, () => {
      assert.equal(unsuitableKey(key), undefined);
      const signer = signingKey(key);
      assert.equal(readOid(children(signer.algorithm)[0]), id);
      assert.equal(children(signer.algorithm).length, 1 + parameters);
      const text = Buffer.from('to be signed');
      assert.ok(verify(hash, text, createPublicKey(key), signer.sign(text)));
    });
  }

  it('writes NULL parameters with RSA', () => {
    assert.match(encode(signingKey(rsaKey()).algorithm).toString('hex'), /0500$/);
  });

  it('says why a key would not be accepted', () => {
    const ed25519 = generateKeyPairSync('ed25519').privateKey;
    assert.match(unsuitableKey(rsaKey(1024)) ?? '', /RSA key of 1024 bits/);
    assert.match(unsuitableKey(ecKey('secp256k1')) ?? '', /curve secp256k1/);
    assert.match(unsuitableKey(ed25519) ?? '', /type ed25519/);
  });
});
