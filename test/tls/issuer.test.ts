import assert from 'node:assert/strict';
import type { KeyObject } from 'node:crypto';
import { ConfigError } from '../../src/errors.js';
import { encode, octetString, oid, sequence } from '../../src/tls/der.js';
import { authorityConstraints, KEY_USAGE, keyUsage, leafConstraints, OID } from '../../src/tls/extensions.js';
import { type IssuerSource, readIssuer } from '../../src/tls/issuer.js';
import { ecKey, foreignCertificate, pkcs8, rsaKey } from './fixtures/foreign-authority.js';

const DAY_MS = 86_400_000;
const { key: goodKey, pem: goodPem } = foreignCertificate('good');

function source(changes: Partial<IssuerSource> = {}): IssuerSource {
  return {
    keyPem: pkcs8(goodKey),
    keyPath: 'dir/ca.key',
    keyMode: 0o600,
    certificatesPem: goodPem,
    certificatesPath: 'dir/ca.crt',
    now: Date.now(),
    ...changes,
  };
}

function exported(key: KeyObject, type: 'pkcs1' | 'sec1'): string {
  return key.export({ type, format: 'pem' }).toString();
}

function problemsOf(changes: Partial<IssuerSource>): readonly string[] {
  try {
    readIssuer(source(changes));
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.problems;
  }
  return [];
}

describe('tls/issuer', () => {
  it('reads keys in every usual form', () => {
    const rsa = foreignCertificate('rsa', { key: rsaKey() });
    const forms = [
      { keyPem: pkcs8(goodKey), certificatesPem: goodPem },
      { keyPem: exported(goodKey, 'sec1'), certificatesPem: goodPem },
      {
        keyPem: `-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n${exported(goodKey, 'sec1')}`,
        certificatesPem: goodPem,
      },
      { keyPem: pkcs8(rsa.key), certificatesPem: rsa.pem },
      { keyPem: exported(rsa.key, 'pkcs1'), certificatesPem: rsa.pem },
    ];
    for (const form of forms) assert.deepEqual(problemsOf(form), []);
  });

  it('reads the certificates above its own', () => {
    const root = foreignCertificate('root', { key: rsaKey() });
    const middle = foreignCertificate('middle', { issuer: root });
    const own = foreignCertificate('own', { issuer: middle });
    const issuer = readIssuer(source({ keyPem: pkcs8(own.key), certificatesPem: own.pem + middle.pem + root.pem }));
    assert.equal(issuer.certificate.x509.subject, 'CN=own');
    assert.deepEqual(
      issuer.issuers.map(({ x509 }) => x509.subject),
      ['CN=middle', 'CN=root'],
    );
  });

  it('accepts a key that the group may read', () => {
    assert.deepEqual(problemsOf({ keyMode: 0o640 }), []);
  });

  const mail = sequence([oid(OID.extKeyUsage), octetString(encode(sequence([oid('1.3.6.1.5.5.7.3.4')])))]);
  const leaf = foreignCertificate('leaf', { key: goodKey, extensions: [leafConstraints()] });
  const mute = foreignCertificate('mute', {
    key: goodKey,
    extensions: [authorityConstraints(), keyUsage(KEY_USAGE.digitalSignature)],
  });
  const mailer = foreignCertificate('mailer', { key: goodKey, extensions: [authorityConstraints(), mail] });
  const past = foreignCertificate('past', {
    key: goodKey,
    notAfter: Date.now() - DAY_MS,
    notBefore: Date.now() - 2 * DAY_MS,
  });
  const future = foreignCertificate('future', { key: goodKey, notBefore: Date.now() + DAY_MS });
  const weak = foreignCertificate('weak', { key: rsaKey(1024) });
  const other = foreignCertificate('other');
  const encrypted = goodKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-128-cbc', passphrase: 'x' }).toString();
  const tornKey = `-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n`;
  const tornCertificate = `-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`;

  const rows: readonly (readonly [string, Partial<IssuerSource>, RegExp])[] = [
    ['a key that everybody may read', { keyMode: 0o644 }, /dir\/ca\.key is open to every user.*chmod 0600/],
    ['a key that everybody may write', { keyMode: 0o602 }, /open to every user/],
    [
      'a key of another certificate',
      { certificatesPem: other.pem },
      /dir\/ca\.key is not the key of the first certificate/,
    ],
    ['a file without a key', { keyPem: goodPem }, /holds no private key/],
    ['an encrypted key', { keyPem: encrypted }, /is encrypted: store it without a passphrase/],
    ['an unreadable key', { keyPem: tornKey }, /private key in dir\/ca\.key can't be read/],
    ['a short RSA key', { keyPem: pkcs8(weak.key), certificatesPem: weak.pem }, /RSA key of 1024 bits/],
    ['a file without a certificate', { certificatesPem: 'nothing' }, /holds no certificate/],
    [
      'an unreadable certificate',
      { certificatesPem: goodPem + tornCertificate },
      /certificate 2 in dir\/ca\.crt can't be read/,
    ],
    [
      'certificates that did not issue each other',
      { certificatesPem: goodPem + other.pem },
      /certificate 2 .* did not issue certificate 1/,
    ],
    ['a certificate that is no CA', { certificatesPem: leaf.pem }, /is not a CA certificate/],
    ['a CA that may not sign', { certificatesPem: mute.pem }, /no keyCertSign/],
    ['a CA that is not for servers', { certificatesPem: mailer.pem }, /no serverAuth/],
    ['an expired CA', { certificatesPem: past.pem }, /expired on .*: move ca\.key and ca\.crt away/],
    ['a CA of the future', { certificatesPem: future.pem }, /valid only from .*check this machine's clock/],
  ];
  for (const [what, changes, sentence] of rows) {
    it(`refuses ${what} in one sentence`, () => {
      const problems = problemsOf(changes);
      assert.equal(problems.length, 1, problems.join('\n'));
      assert.match(problems[0] ?? '', sentence);
    });
  }

  it('tells all that is wrong at once', () => {
    assert.equal(problemsOf({ keyMode: 0o666, keyPem: 'nothing', certificatesPem: 'nothing' }).length, 3);
    assert.equal(problemsOf({ keyMode: 0o666, keyPem: pkcs8(ecKey()), certificatesPem: leaf.pem }).length, 3);
  });
});
