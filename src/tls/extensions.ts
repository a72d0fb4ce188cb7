import { createHash, type KeyObject } from 'node:crypto';
import type forge from 'node-forge';
import {
  bitString,
  boolean,
  children,
  contents,
  decode,
  encode,
  implicitTag,
  integer,
  octetString,
  oid,
  sequence,
} from './der.js';

type Asn1 = forge.asn1.Asn1;

/** Object identifiers of RFC 5280, section 4.2. */
export const OID = {
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  authorityKeyIdentifier: '2.5.29.35',
  extKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  anyExtendedKeyUsage: '2.5.29.37.0',
} as const;

/** Bits of KeyUsage, counted from the left, RFC 5280 section 4.2.1.3. */
export const KEY_USAGE = { digitalSignature: 0, keyCertSign: 5, cRLSign: 6 } as const;

export function extension(id: string, critical: boolean, value: Asn1): Asn1 {
  const body = octetString(encode(value));
  // A BOOLEAN that has its default value (false) must be absent in DER.
  return sequence(critical ? [oid(id), boolean(true), body] : [oid(id), body]);
}

/** May sign leaves, and as many authorities below one another as `pathLength` says: none unless told. */
export function authorityConstraints(pathLength: 0 | 1 = 0): Asn1 {
  return extension(OID.basicConstraints, true, sequence([boolean(true), integer(Buffer.of(pathLength))]));
}

/** `CA:FALSE`, which is the default value and so an empty sequence. */
export function leafConstraints(): Asn1 {
  return extension(OID.basicConstraints, true, sequence([]));
}

/** KeyUsage with the given bits (of `KEY_USAGE`, all among the first eight), critical. */
export function keyUsage(...bits: readonly number[]): Asn1 {
  const byte = bits.reduce((sum, bit) => sum | (0x80 >> bit), 0);
  const unusedBits = 7 - Math.max(...bits);
  return extension(OID.keyUsage, true, bitString(Buffer.of(byte), unusedBits));
}

export function serverAuth(): Asn1 {
  return extension(OID.extKeyUsage, false, sequence([oid(OID.serverAuth)]));
}

export function subjectKeyIdentifier(identifier: Buffer): Asn1 {
  return extension(OID.subjectKeyIdentifier, false, octetString(identifier));
}

export function authorityKeyIdentifier(identifier: Buffer): Asn1 {
  return extension(OID.authorityKeyIdentifier, false, sequence([implicitTag(0, identifier)]));
}

/** SubjectAltName with one name: `dNSName` [2] or `iPAddress` [7]. Critical when the subject is empty (section 4.2.1.6). */
export function subjectAltName(kind: 'dns' | 'ip', bytes: Buffer, critical: boolean): Asn1 {
  return extension(OID.subjectAltName, critical, sequence([implicitTag(kind === 'dns' ? 2 : 7, bytes)]));
}

/** The leftmost 160 bits of the SHA-256 of the key's BIT STRING (RFC 7093 section 2, method 1). */
export function keyIdentifier(publicKey: KeyObject): Buffer {
  const info = decode(publicKey.export({ type: 'spki', format: 'der' }));
  // The first byte of a BIT STRING counts its unused bits and is not part of the key.
  const bits = contents(children(info)[1]).subarray(1);
  return createHash('sha256').update(bits).digest().subarray(0, 20);
}
