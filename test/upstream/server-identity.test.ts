import assert from 'node:assert/strict';
import type { PeerCertificate } from 'node:tls';
import { checkIdentity } from '../../src/upstream/server-identity.js';

function certificate(subjectaltname: string | undefined, CN = 'nobody'): PeerCertificate {
  return { subject: { CN }, subjectaltname } as PeerCertificate;
}

describe('upstream/server-identity', () => {
  const cases: readonly (readonly [host: string, names: string | undefined, fits: boolean])[] = [
    ['registry.test', 'DNS:registry.test', true],
    ['registry.test', 'DNS:other.test, DNS:REGISTRY.test', true],
    ['a.registry.test', 'DNS:*.registry.test', true],
    ['my_bucket.registry.test', 'DNS:*.registry.test', true],
    ['a.b.registry.test', 'DNS:*.registry.test', false],
    ['registry.test', 'DNS:*.registry.test', false],
    ['registry.test', 'DNS:*.test.registry.test', false],
    ['registry.test', undefined, false],
    ['registry.test', 'email:me@registry.test', false],
    ['192.0.2.1', 'IP Address:192.0.2.1', true],
    ['192.0.2.1', 'IP Address:192.0.2.2', false],
    ['192.0.2.1', 'DNS:192.0.2.1', false],
    ['registry.test', 'DNS:"registry.test\\u0000.evil.test"', false],
  ];
  for (const [host, names, fits] of cases) {
    it(`${fits ? 'takes' : 'refuses'} ${names ?? 'no alternative name'} for ${host}`, () => {
      const error = checkIdentity(host, certificate(names));
      assert.equal(error === undefined, fits);
      if (error) assert.equal((error as NodeJS.ErrnoException).code, 'ERR_TLS_CERT_ALTNAME_INVALID');
    });
  }

  it('C02: never looks at the common name', () => {
    assert.ok(checkIdentity('registry.test', certificate(undefined, 'registry.test')) instanceof Error);
    assert.ok(checkIdentity('registry.test', certificate('email:a@b', 'registry.test')) instanceof Error);
  });
});
