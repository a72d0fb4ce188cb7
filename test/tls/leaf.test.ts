import assert from 'node:assert/strict';
import { createPublicKey, X509Certificate } from 'node:crypto';
import { ProxyError } from '../../src/errors.js';
import { children, contents, decode, encode, hasTag, readOid } from '../../src/tls/der.js';
import { readIssuer } from '../../src/tls/issuer.js';
import { createLeafIssuer, leafLife } from '../../src/tls/leaf.js';
import { foreignCertificate, pkcs8, rsaKey } from './fixtures/foreign-authority.js';

const DAY_MS = 86_400_000;
const NOW = Date.now();

function issuerOf({ key, pem }: { readonly key: Parameters<typeof pkcs8>[0]; readonly pem: string }) {
  const paths = { keyPath: 'ca.key', certificatesPath: 'ca.crt', keyMode: 0o600 };
  return readIssuer({ keyPem: pkcs8(key), certificatesPem: pem, now: NOW, ...paths });
}

const authority = foreignCertificate('authority');
const issuer = issuerOf(authority);
const issueLeaf = createLeafIssuer(issuer, '');

function certificateFor(host: string): X509Certificate {
  return new X509Certificate(issueLeaf(host, NOW).certificatesPem);
}

function extensionsOf(certificate: X509Certificate): Map<string, { critical: boolean; value: string }> {
  const explicit = children(children(decode(certificate.raw))[0]).find((item) => hasTag(item, 3));
  return new Map(
    children(children(explicit)[0]).map((extension) => {
      const parts = children(extension);
      return [readOid(parts[0]), { critical: parts.length === 3, value: contents(parts.at(-1)).toString('hex') }];
    }),
  );
}

describe('tls/leaf', () => {
  it('B11: issues a server certificate with exactly the extensions that it needs', () => {
    const leaf = certificateFor('registry-1.docker.io');
    const own = createPublicKey(issueLeaf('registry-1.docker.io', NOW).keyPem);
    const extensions = extensionsOf(leaf);
    const identifier = issuer.certificate.keyIdentifier.toString('hex');
    assert.deepEqual([...extensions.keys()].sort(), [
      '2.5.29.14',
      '2.5.29.15',
      '2.5.29.17',
      '2.5.29.19',
      '2.5.29.35',
      '2.5.29.37',
    ]);
    assert.deepEqual(extensions.get('2.5.29.19'), { critical: true, value: '3000' });
    assert.deepEqual(extensions.get('2.5.29.15'), { critical: true, value: '03020780' });
    assert.deepEqual(extensions.get('2.5.29.37'), { critical: false, value: '300a06082b06010505070301' });
    assert.deepEqual(extensions.get('2.5.29.35'), { critical: false, value: `30168014${identifier}` });
    assert.match(extensions.get('2.5.29.14')?.value ?? '', /^0414[0-9a-f]{40}$/);
    assert.equal(leaf.subjectAltName, 'DNS:registry-1.docker.io');
    assert.equal(leaf.subject, 'CN=registry-1.docker.io');
    assert.equal(leaf.ca, false);
    assert.deepEqual(
      leaf.publicKey.export({ type: 'spki', format: 'der' }),
      own.export({ type: 'spki', format: 'der' }),
    );
    assert.equal(own.asymmetricKeyDetails?.namedCurve, 'prime256v1');
  });

  it('copies the issuer\u2019s subject byte for byte', () => {
    const [, , , name] = children(children(decode(certificateFor('a.test').raw))[0]);
    const [, , , , , subject] = children(children(decode(new X509Certificate(authority.pem).raw))[0]);
    assert.ok(name !== undefined && subject !== undefined);
    assert.deepEqual(encode(name), encode(subject));
  });

  it('B12: names addresses as addresses', () => {
    const rows = [
      ['10.0.0.1', 'IP Address:10.0.0.1'],
      ['::1', 'IP Address:0:0:0:0:0:0:0:1'],
      ['fd00::a:0:1', 'IP Address:FD00:0:0:0:0:A:0:1'],
      ['2001:db8:1:2:3:4:5:6', 'IP Address:2001:DB8:1:2:3:4:5:6'],
      ['::ffff:192.0.2.1', 'IP Address:0:0:0:0:0:FFFF:C000:201'],
    ] as const;
    for (const [host, name] of rows) assert.equal(certificateFor(host).subjectAltName, name);
  });

  it('B13: names hosts of any allowed length, and marks the name as critical where the subject is empty', () => {
    const label = 'a'.repeat(63);
    for (const host of [
      label,
      `${label}.b`,
      `${label}.${label}.${label}.${'b'.repeat(61)}`,
      'under_score.test',
      'xn--bcher-kva.test',
    ]) {
      const leaf = certificateFor(host);
      assert.equal(leaf.subjectAltName, `DNS:${host}`);
      assert.equal(leaf.subject ?? '', host.length <= 64 ? `CN=${host}` : '');
      assert.equal(extensionsOf(leaf).get('2.5.29.17')?.critical, host.length > 64);
    }
  });

  it('B13: refuses what can\u2019t be a host', () => {
    for (const host of ['', 'a b', 'a\0b', 'bücher.test', 'a'.repeat(254)]) {
      assert.throws(
        () => issueLeaf(host, NOW),
        (error) => error instanceof ProxyError && error.code === 'bad-authority',
      );
    }
  });

  it('signs with the key of its issuer', () => {
    const rsa = foreignCertificate('rsa', { key: rsaKey() });
    const p384 = foreignCertificate('p384', { key: foreignCertificate('x').key, issuer: rsa });
    for (const [ca, algorithm] of [
      [rsa, '1.2.840.113549.1.1.11'],
      [p384, '1.2.840.10045.4.3.2'],
    ] as const) {
      const leaf = new X509Certificate(createLeafIssuer(issuerOf(ca), '')('a.test', NOW).certificatesPem);
      assert.ok(leaf.verify(createPublicKey(ca.key)));
      assert.equal(readOid(children(children(decode(leaf.raw))[1])[0]), algorithm);
    }
  });

  it('B03: gives every leaf a positive serial number of its own', () => {
    const serials = Array.from({ length: 10_000 }, (_, index) => {
      const [, serial] = children(children(decode(certificateFor(`host-${index}.test`).raw))[0]);
      return contents(serial).toString('hex');
    });
    assert.equal(new Set(serials).size, serials.length);
    for (const serial of serials) assert.match(serial, /^[4-7][0-9a-f]{31}$/);
  });

  it('B04: is valid from 48 hours ago for 90 days at most, whatever the day', () => {
    const never = Date.parse('2100-01-01T00:00:00Z');
    const days = [
      '2027-01-01T00:00:00Z',
      '2028-02-29T12:34:56.789Z',
      '2049-12-31T23:59:59Z',
      '2049-11-01T00:00:00Z',
      '2050-01-01T00:00:00Z',
    ];
    for (const day of days) {
      const now = Date.parse(day);
      const { notBefore, notAfter, renewAt } = leafLife(now, never);
      assert.equal(notBefore, Math.floor(now / 1000) * 1000 - 2 * DAY_MS);
      assert.equal(notAfter - notBefore, 90 * DAY_MS - 1000);
      assert.ok(Math.abs((renewAt - notBefore) / (notAfter - notBefore) - 2 / 3) < 1e-6);
    }
  });

  it('B04: writes the dates that it says, on both sides of 2050', () => {
    const eternal = foreignCertificate('eternal', { notAfter: Date.parse('2060-01-01T00:00:00Z') });
    const issue = createLeafIssuer(issuerOf(eternal), '');
    for (const day of [
      '2027-01-01T00:00:00Z',
      '2028-02-29T00:00:00Z',
      '2049-12-31T00:00:00Z',
      '2050-01-03T00:00:00Z',
    ]) {
      const leaf = issue('a.test', Date.parse(day));
      const certificate = new X509Certificate(leaf.certificatesPem);
      assert.equal(Date.parse(certificate.validFrom), leaf.notBefore);
      assert.equal(Date.parse(certificate.validTo), leaf.notAfter);
    }
    const border = new X509Certificate(issue('a.test', Date.parse('2049-12-31T00:00:00Z')).certificatesPem);
    const [, , , , validity] = children(children(decode(border.raw))[0]);
    assert.deepEqual(
      children(validity).map((end) => contents(end).toString()),
      ['491229000000Z', '20500328235959Z'],
    );
  });

  it('B04: does not outlive its CA, and is not renewed in vain', () => {
    const end = NOW - (NOW % 1000) + DAY_MS;
    const { notAfter, renewAt } = leafLife(NOW, end);
    assert.equal(notAfter, end);
    assert.equal(renewAt, end);
    assert.throws(
      () => leafLife(end, end),
      (error) =>
        error instanceof ProxyError && error.code === 'internal' && /CA certificate expired/.test(error.message),
    );
  });
});
