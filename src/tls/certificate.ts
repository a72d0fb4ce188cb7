import { type KeyObject, randomBytes } from 'node:crypto';
import forge from 'node-forge';
import { bitString, decode, der, encode, explicitTag, integer, oid, sequence, set, time } from './der.js';
import type { SigningKey } from './signing-key.js';

type Asn1 = forge.asn1.Asn1;

/** What a certificate says, before it is signed. */
export interface CertificateFields {
  readonly issuer: Asn1;
  readonly subject: Asn1;
  /** ms epoch; a certificate knows whole seconds only, both ends are rounded down. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly publicKey: KeyObject;
  readonly extensions: readonly Asn1[];
}

export const DAY_MS = 86_400_000;

/** How far the clocks of clients may be behind ours: what we issue is valid since two days ago. */
export const CLOCK_SKEW_MS = 2 * DAY_MS;

const COMMON_NAME = '2.5.4.3';

/** A CommonName may have 64 characters at most (RFC 5280, ub-common-name). */
export const MAX_COMMON_NAME = 64;

/** A distinguished name with nothing but a CommonName, or the empty name. */
export function distinguishedName(commonName?: string): Asn1 {
  if (commonName === undefined) return sequence([]);
  const value = der(forge.asn1.Type.UTF8, forge.util.encodeUtf8(commonName));
  return sequence([set([sequence([oid(COMMON_NAME), value])])]);
}

/**
 * A random serial number of 16 bytes. The top bit is clear, because negative numbers are refused by Go since 1.23; the
 * next one is set, so that it is never zero and never has a leading zero byte, which DER forbids.
 */
export function randomSerial(): Buffer {
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  return serial;
}

/** Builds and signs an X.509 v3 certificate (RFC 5280 section 4.1) with a new random serial number; gives its DER. */
export function issueCertificate(fields: CertificateFields, signer: SigningKey): Buffer {
  const tbsCertificate = sequence([
    explicitTag(0, integer(Buffer.of(2))),
    integer(randomSerial()),
    signer.algorithm,
    fields.issuer,
    sequence([time(fields.notBefore), time(fields.notAfter)]),
    fields.subject,
    decode(fields.publicKey.export({ type: 'spki', format: 'der' })),
    explicitTag(3, sequence([...fields.extensions])),
  ]);
  const signature = signer.sign(encode(tbsCertificate));
  return encode(sequence([tbsCertificate, signer.algorithm, bitString(signature)]));
}
