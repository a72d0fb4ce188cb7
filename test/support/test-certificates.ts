import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { isIP, SocketAddress } from 'node:net';

/** A certificate with its key, as node:tls takes them. */
export interface TestCertificate {
  readonly certificatePem: string;
  readonly keyPem: string;
}

export interface IssueOptions {
  /** Lifetime, milliseconds since the epoch; from a day ago for ten days by default. */
  readonly validFromAt?: number;
  readonly validUntil?: number;
}

/** A CA of its own, made in a millisecond: it shares no code with what it tests. */
export interface TestAuthority extends TestCertificate {
  /** Issues a server certificate for DNS names and IP addresses. */
  issue(names: readonly string[], options?: IssueOptions): TestCertificate;
}

interface Subject {
  readonly commonName: string;
  readonly publicKey: KeyObject;
}

const DAY_MS = 86_400_000;
const OID_ECDSA_SHA256 = '06082a8648ce3d040302';
const OID_COMMON_NAME = '0603550403';
const OID_BASIC_CONSTRAINTS = '0603551d13';
const OID_KEY_USAGE = '0603551d0f';
const OID_SUBJECT_ALT_NAME = '0603551d11';
const OID_SUBJECT_KEY_ID = '0603551d0e';
const OID_AUTHORITY_KEY_ID = '0603551d23';
const OID_EXTENDED_KEY_USAGE = '0603551d25';
const OID_SERVER_AUTH = '06082b06010505070301';
const TRUE = Buffer.from('0101ff', 'hex');
const ALGORITHM = der(0x30, Buffer.from(OID_ECDSA_SHA256, 'hex'));

export function createTestAuthority(commonName = 'entrepot test CA'): TestAuthority {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const subject = { commonName, publicKey };
  const constraints = extension(OID_BASIC_CONSTRAINTS, der(0x30, TRUE), true);
  const usage = extension(OID_KEY_USAGE, Buffer.from('03020106', 'hex'), true);
  const lifetime = { validFromAt: Date.now() - DAY_MS, validUntil: Date.now() + 10 * DAY_MS };
  return {
    certificatePem: certificate(subject, subject, privateKey, lifetime, [constraints, usage]),
    keyPem: keyPem(privateKey),
    issue(names, options = {}) {
      const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const leaf = { commonName: names[0] ?? 'nobody', publicKey: keys.publicKey };
      const extensions = [
        extension(OID_BASIC_CONSTRAINTS, der(0x30), true),
        extension(OID_KEY_USAGE, Buffer.from('03020780', 'hex'), true),
        extension(OID_EXTENDED_KEY_USAGE, der(0x30, Buffer.from(OID_SERVER_AUTH, 'hex'))),
        extension(OID_SUBJECT_ALT_NAME, der(0x30, ...names.map(alternativeName))),
      ];
      const certificatePem = certificate(leaf, subject, privateKey, { ...lifetime, ...options }, extensions);
      return { certificatePem, keyPem: keyPem(keys.privateKey) };
    },
  };
}

function certificate(
  subject: Subject,
  issuer: Subject,
  issuerKey: KeyObject,
  lifetime: Required<IssueOptions>,
  extensions: readonly Buffer[],
): string {
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  const toBeSigned = der(
    0x30,
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, serial),
    ALGORITHM,
    distinguishedName(issuer.commonName),
    der(0x30, time(lifetime.validFromAt), time(lifetime.validUntil)),
    distinguishedName(subject.commonName),
    subject.publicKey.export({ type: 'spki', format: 'der' }),
    der(
      0xa3,
      der(
        0x30,
        ...extensions,
        extension(OID_SUBJECT_KEY_ID, der(0x04, keyId(subject.publicKey))),
        extension(OID_AUTHORITY_KEY_ID, der(0x30, der(0x80, keyId(issuer.publicKey)))),
      ),
    ),
  );
  const signature = sign('sha256', toBeSigned, issuerKey);
  return pemOf('CERTIFICATE', der(0x30, toBeSigned, ALGORITHM, der(0x03, Buffer.from([0]), signature)));
}

export function pemOf(label: string, bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

export function extension(oid: string, value: Buffer, critical = false): Buffer {
  const flag = critical ? [TRUE] : [];
  return der(0x30, Buffer.from(oid, 'hex'), ...flag, der(0x04, value));
}

export function alternativeName(text: string): Buffer {
  if (isIP(text) === 0) return der(0x82, Buffer.from(text, 'latin1'));
  return der(0x87, isIP(text) === 4 ? Buffer.from(text.split('.').map(Number)) : ipv6Bytes(text));
}

function ipv6Bytes(text: string): Buffer {
  const { address } = new SocketAddress({ address: text, family: 'ipv6' });
  const [left = '', right] = address.split('::');
  const head = left.split(':').filter((part) => part !== '');
  const tail = (right ?? '').split(':').filter((part) => part !== '');
  const words = [...head, ...Array<string>(8 - head.length - tail.length).fill('0'), ...tail];
  return Buffer.from(words.map((word) => word.padStart(4, '0')).join(''), 'hex');
}

export function distinguishedName(commonName: string): Buffer {
  const value = der(0x0c, Buffer.from(commonName.slice(0, 64)));
  return der(0x30, der(0x31, der(0x30, Buffer.from(OID_COMMON_NAME, 'hex'), value)));
}

export function time(at: number): Buffer {
  const digits = new Date(at).toISOString().replace(/\.\d+/, '').replaceAll(/[-:T]/g, '');
  return der(0x18, Buffer.from(digits, 'latin1'));
}

export function keyId(key: KeyObject): Buffer {
  return createHash('sha1')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest();
}

export function keyPem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}

export function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const size = content.length;
  const bytes: number[] = [];
  for (let rest = size; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  const length = size < 128 ? [size] : [0x80 | bytes.length, ...bytes];
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
}
