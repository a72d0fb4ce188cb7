import forge from 'node-forge';

type Asn1 = forge.asn1.Asn1;

const { Class, Type } = forge.asn1;

/** The numbers of context tags that certificates need. */
export type TagNumber = 0 | 1 | 2 | 3 | 7;

function tag(number: TagNumber): forge.asn1.Type {
  // oxlint-disable-next-line typescript/no-unsafe-enum-assignment -- forge keeps them in the field for universal types
  return number;
}

/** A primitive value of a universal type; `bytes` is a binary string, as forge keeps all bytes. */
export function der(type: forge.asn1.Type, bytes: string): Asn1 {
  return forge.asn1.create(Class.UNIVERSAL, type, false, bytes);
}

export function sequence(items: Asn1[]): Asn1 {
  return forge.asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, items);
}

export function set(items: Asn1[]): Asn1 {
  return forge.asn1.create(Class.UNIVERSAL, Type.SET, true, items);
}

export function oid(dotted: string): Asn1 {
  return der(Type.OID, forge.asn1.oidToDer(dotted).getBytes());
}

export function integer(bytes: Buffer): Asn1 {
  return der(Type.INTEGER, bytes.toString('latin1'));
}

export function boolean(value: boolean): Asn1 {
  return der(Type.BOOLEAN, value ? '\u00ff' : '\u0000');
}

export function octetString(bytes: Buffer): Asn1 {
  return der(Type.OCTETSTRING, bytes.toString('latin1'));
}

/** A BIT STRING whose last byte has `unusedBits` bits that don't count. */
export function bitString(bytes: Buffer, unusedBits = 0): Asn1 {
  return der(Type.BITSTRING, String.fromCharCode(unusedBits) + bytes.toString('latin1'));
}

/** `[number] IMPLICIT` around a primitive value. */
export function implicitTag(number: TagNumber, bytes: Buffer): Asn1 {
  return forge.asn1.create(Class.CONTEXT_SPECIFIC, tag(number), false, bytes.toString('latin1'));
}

/** `[number] IMPLICIT` around the items of a SEQUENCE. */
export function implicitSequence(number: TagNumber, items: Asn1[]): Asn1 {
  return forge.asn1.create(Class.CONTEXT_SPECIFIC, tag(number), true, items);
}

/** `[number] EXPLICIT` around another value. */
export function explicitTag(number: TagNumber, item: Asn1): Asn1 {
  return forge.asn1.create(Class.CONTEXT_SPECIFIC, tag(number), true, [item]);
}

/**
 * A time of whole seconds: UTCTime until the end of 2049, GeneralizedTime from 2050 on (RFC 5280 section 4.1.2.5).
 *
 * @param at ms epoch, rounded down
 */
export function time(at: number): Asn1 {
  const date = new Date(at);
  return date.getUTCFullYear() < 2050
    ? der(Type.UTCTIME, forge.asn1.dateToUtcTime(date))
    : der(Type.GENERALIZEDTIME, forge.asn1.dateToGeneralizedTime(date));
}

export function encode(value: Asn1): Buffer {
  return Buffer.from(forge.asn1.toDer(value).getBytes(), 'latin1');
}

declare module 'node-forge' {
  namespace asn1 {
    /** The form with options, which the published types leave out. */
    function fromDer(bytes: string, options: { readonly decodeBitStrings: boolean }): Asn1;
  }
}

/** Reads DER. Throws forge's own error when the bytes are not DER. */
export function decode(bytes: Buffer): Asn1 {
  // By default forge guesses whether a BIT STRING holds DER itself, and then gives items in place of its bytes.
  return forge.asn1.fromDer(bytes.toString('latin1'), { decodeBitStrings: false });
}

/** The items of a SEQUENCE or SET or of an explicit tag; none for a primitive value. */
export function children(value: Asn1 | undefined): readonly Asn1[] {
  return value !== undefined && Array.isArray(value.value) ? value.value : [];
}

/** Whether the value stands behind the tag `[number]`. */
export function hasTag(value: Asn1, number: TagNumber): boolean {
  return value.tagClass === Class.CONTEXT_SPECIFIC && value.type === tag(number);
}

/** The bytes of a primitive value; empty for one that has items. */
export function contents(value: Asn1 | undefined): Buffer {
  return Buffer.from(typeof value?.value === 'string' ? value.value : '', 'latin1');
}

/** The dotted form of an OBJECT IDENTIFIER. */
export function readOid(value: Asn1 | undefined): string {
  const bytes = contents(value);
  return bytes.length === 0 ? '' : forge.asn1.derToOid(bytes.toString('latin1'));
}
