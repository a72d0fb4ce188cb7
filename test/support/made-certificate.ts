import { generateKeyPairSync, type KeyObject, randomBytes, sign, X509Certificate } from 'node:crypto';
import { alternativeName, der, distinguishedName, extension, keyId, keyPem, pemOf, time } from './test-certificates.js';

export type KeyKind = 'P-192' | 'P-256' | 'P-384' | 'rsa1024' | 'rsa2048';
export type Hash = 'sha256' | 'sha1' | 'md5';

/** A certificate of any make, good or bad, with its key. */
export interface MadeCertificate {
  readonly pem: string;
  readonly keyPem: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** The subject, DER. */
  readonly subject: Buffer;
}

export interface MadeOptions {
  /** A common name, or a whole subject as DER. */
  readonly subject: string | Buffer;
  /** Its own issuer unless another is given. */
  readonly issuer?: Pick<MadeCertificate, 'privateKey' | 'publicKey' | 'subject'>;
  readonly key?: KeyKind;
  /** A public key that somebody else has the private one of; the certificate then names no key identifier. */
  readonly publicKey?: KeyObject;
  readonly hash?: Hash;
  /** ms epoch; from a day ago for ten days by default. */
  readonly validFromAt?: number;
  readonly validUntil?: number;
  /** DNS names and addresses, or general names as DER. No extension where there are none. */
  readonly names?: readonly (string | Buffer)[];
  /** What basicConstraints says: not an authority unless given; `absent` leaves the extension out. */
  readonly authority?: { readonly pathLength?: number } | 'absent';
  /** Lets the key sign certificates though it is no authority. */
  readonly signs?: boolean;
  /** What it is good for, besides signing where it is an authority. */
  readonly purpose?: 'server' | 'client';
  /** Critical name constraints: the only DNS names below it. */
  readonly permitted?: string;
  /** Further extensions, DER. */
  readonly extensions?: readonly Buffer[];
}

const DAY_MS = 86_400_000;
const TRUE = Buffer.from('0101ff', 'hex');
const PURPOSES = { server: '06082b06010505070301', client: '06082b06010505070302' } as const;
const KEY_USAGES = { authority: '03020106', leaf: '030205a0' } as const;
const ALGORITHMS: Readonly<Record<string, string>> = {
  'ec sha256': '300a06082a8648ce3d040302',
  'ec sha1': '300906072a8648ce3d0401',
  'rsa sha256': '300d06092a864886f70d01010b0500',
  'rsa sha1': '300d06092a864886f70d0101050500',
  'rsa md5': '300d06092a864886f70d0101040500',
};

export function makeCertificate(options: MadeOptions): MadeCertificate {
  const keys = keyPair(options.key ?? 'P-256');
  const publicKey = options.publicKey ?? keys.publicKey;
  const subject = typeof options.subject === 'string' ? distinguishedName(options.subject) : options.subject;
  const issuer = options.issuer ?? { privateKey: keys.privateKey, publicKey, subject };
  const hash = options.hash ?? 'sha256';
  const algorithm = Buffer.from(ALGORITHMS[`${issuer.privateKey.asymmetricKeyType} ${hash}`] ?? '', 'hex');
  const lifetime = [options.validFromAt ?? Date.now() - DAY_MS, options.validUntil ?? Date.now() + 10 * DAY_MS];
  const toBeSigned = der(
    0x30,
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.concat([Buffer.from([0x40]), randomBytes(15)])),
    algorithm,
    issuer.subject,
    der(0x30, ...lifetime.map(time)),
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, der(0x30, ...extensionsOf(options, publicKey, issuer.publicKey))),
  );
  const signature = sign(hash, toBeSigned, issuer.privateKey);
  const pem = pemOf('CERTIFICATE', der(0x30, toBeSigned, algorithm, der(0x03, Buffer.from([0]), signature)));
  return { pem, keyPem: keyPem(keys.privateKey), privateKey: keys.privateKey, publicKey, subject };
}

/** A list of certificates that their issuer has revoked, PEM, good for a day unless `until` (ms epoch) says otherwise. */
export function makeRevocationList(
  issuer: Pick<MadeCertificate, 'privateKey' | 'subject'>,
  revoked: readonly MadeCertificate[],
  until: number = Date.now() + DAY_MS,
): string {
  const algorithm = Buffer.from(ALGORITHMS[`${issuer.privateKey.asymmetricKeyType} sha256`] ?? '', 'hex');
  const since = Math.min(Date.now(), until) - DAY_MS;
  const entries = revoked.map(({ pem }) => {
    const serial = Buffer.from(new X509Certificate(pem).serialNumber, 'hex');
    return der(0x30, der(0x02, serial), time(since));
  });
  const toBeSigned = der(
    0x30,
    der(0x02, Buffer.from([1])),
    algorithm,
    issuer.subject,
    time(since),
    time(until),
    ...(entries.length > 0 ? [der(0x30, ...entries)] : []),
  );
  const signature = sign('sha256', toBeSigned, issuer.privateKey);
  return pemOf('X509 CRL', der(0x30, toBeSigned, algorithm, der(0x03, Buffer.from([0]), signature)));
}

/** The subject of a certificate, DER: the sixth field of what is signed (RFC 5280 section 4.1). */
export function subjectOf(pem: string): Buffer {
  const [toBeSigned = Buffer.alloc(0)] = fieldsOf(new X509Certificate(pem).raw);
  return fieldsOf(toBeSigned)[5] ?? Buffer.alloc(0);
}

function keyPair(kind: KeyKind): { readonly publicKey: KeyObject; readonly privateKey: KeyObject } {
  if (kind === 'rsa1024') return generateKeyPairSync('rsa', { modulusLength: 1024 });
  if (kind === 'rsa2048') return generateKeyPairSync('rsa', { modulusLength: 2048 });
  return generateKeyPairSync('ec', { namedCurve: kind === 'P-192' ? 'prime192v1' : kind });
}

function extensionsOf(options: MadeOptions, publicKey: KeyObject, issuerKey: KeyObject): Buffer[] {
  const { authority, names = [], purpose, permitted } = options;
  const isAuthority = typeof authority === 'object';
  const pathLength = isAuthority ? authority.pathLength : undefined;
  const constraints = [
    ...(isAuthority ? [TRUE] : []),
    ...(pathLength === undefined ? [] : [der(0x02, Buffer.from([pathLength]))]),
  ];
  const all: (Buffer | false)[] = [
    authority !== 'absent' && extension('0603551d13', der(0x30, ...constraints), true),
    extension('0603551d0f', Buffer.from(KEY_USAGES[isAuthority || options.signs ? 'authority' : 'leaf'], 'hex'), true),
    purpose !== undefined && extension('0603551d25', der(0x30, Buffer.from(PURPOSES[purpose], 'hex'))),
    permitted !== undefined && extension('0603551d1e', permittedNames(permitted), true),
    names.length > 0 && extension('0603551d11', der(0x30, ...names.map(generalName))),
    options.publicKey === undefined && extension('0603551d0e', der(0x04, keyId(publicKey))),
    extension('0603551d23', der(0x30, der(0x80, keyId(issuerKey)))),
  ];
  return [...all.filter((one) => one !== false), ...(options.extensions ?? [])];
}

function generalName(name: string | Buffer): Buffer {
  return typeof name === 'string' ? alternativeName(name) : name;
}

function permittedNames(domain: string): Buffer {
  return der(0x30, der(0xa0, der(0x30, alternativeName(domain))));
}

/** The values inside a DER value of at least 128 and less than 64 Ki bytes, each with its head. */
function fieldsOf(value: Buffer): Buffer[] {
  const fields: Buffer[] = [];
  let at = headLength(value);
  while (at < value.length) {
    const rest = value.subarray(at);
    const length = headLength(rest) + contentLength(rest);
    fields.push(rest.subarray(0, length));
    at += length;
  }
  return fields;
}

function headLength(value: Buffer): number {
  const first = value[1] ?? 0;
  return first < 0x80 ? 2 : 2 + (first & 0x7f);
}

function contentLength(value: Buffer): number {
  const first = value[1] ?? 0;
  return first < 0x80 ? first : value.readUIntBE(2, first & 0x7f);
}
