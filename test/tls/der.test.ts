import assert from 'node:assert/strict';
import {
  bitString,
  boolean,
  children,
  contents,
  decode,
  encode,
  explicitTag,
  hasTag,
  implicitTag,
  integer,
  octetString,
  oid,
  readOid,
  sequence,
  set,
  time,
} from '../../src/tls/der.js';

function hex(value: Parameters<typeof encode>[0]): string {
  return encode(value).toString('hex');
}

describe('tls/der', () => {
  it('writes every kind of value that a certificate needs', () => {
    assert.equal(hex(integer(Buffer.of(2))), '020102');
    assert.equal(hex(boolean(true)), '0101ff');
    assert.equal(hex(octetString(Buffer.of(0xc3, 0x28))), '0402c328');
    assert.equal(hex(bitString(Buffer.of(0x80), 7)), '03020780');
    assert.equal(hex(oid('2.5.29.17')), '0603551d11');
    assert.equal(hex(sequence([boolean(true)])), '30030101ff');
    assert.equal(hex(set([])), '3100');
    assert.equal(hex(implicitTag(2, Buffer.from('a.b'))), '8203612e62');
    assert.equal(hex(explicitTag(0, integer(Buffer.of(2)))), 'a003020102');
  });

  it('reads back what it wrote', () => {
    const value = decode(
      encode(sequence([explicitTag(3, oid('1.2.840.10045.4.3.2')), octetString(Buffer.of(0xff, 0))])),
    );
    const [tagged, bytes] = children(value);
    assert.ok(tagged !== undefined && hasTag(tagged, 3) && !hasTag(tagged, 0));
    assert.equal(readOid(children(tagged)[0]), '1.2.840.10045.4.3.2');
    assert.deepEqual(contents(bytes), Buffer.of(0xff, 0));
  });

  it('keeps the bytes of a bit string that happens to hold DER', () => {
    const inner = encode(sequence([integer(Buffer.of(1))]));
    assert.deepEqual(contents(decode(encode(bitString(inner)))), Buffer.concat([Buffer.of(0), inner]));
  });

  it('gives nothing for the items of a primitive value and the bytes of a sequence', () => {
    assert.deepEqual(children(boolean(true)), []);
    assert.deepEqual(children(undefined), []);
    assert.equal(contents(sequence([boolean(true)])).length, 0);
    assert.equal(readOid(undefined), '');
  });

  it('refuses bytes that are not DER', () => {
    assert.throws(() => decode(Buffer.from('3005', 'hex')));
  });

  it('writes years until 2049 with two digits and from 2050 on with four', () => {
    const cases: readonly (readonly [string, string])[] = [
      ['2027-01-01T00:00:00Z', '270101000000Z'],
      ['2028-02-29T23:59:59Z', '280229235959Z'],
      ['2049-12-31T23:59:59.999Z', '491231235959Z'],
      ['2050-01-01T00:00:00Z', '20500101000000Z'],
    ];
    for (const [iso, text] of cases) {
      const encoded = encode(time(Date.parse(iso)));
      assert.equal(encoded.subarray(2).toString('latin1'), text);
      assert.equal(encoded[0], text.length === 13 ? 0x17 : 0x18);
    }
  });
});
