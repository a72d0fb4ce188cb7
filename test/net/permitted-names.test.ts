import assert from 'node:assert/strict';
import { canonicalPermittedName, fixedHosts, formatRange, parsePermittedName } from '../../src/net/permitted-names.js';

describe('net/permitted-names', () => {
  it('reads a name as the tree below it', () => {
    for (const text of ['ghcr.io', '*.ghcr.io', 'GHCR.io.']) {
      assert.deepEqual(parsePermittedName(text), { kind: 'dns', name: 'ghcr.io' });
    }
  });

  it('reads addresses and ranges as bytes, without the bits that do not count', () => {
    const rows = [
      ['10.1.2.3/8', '0a000000', 'ff000000'],
      ['192.0.2.7', 'c0000207', 'ffffffff'],
      ['10.0.0.0/12', '0a000000', 'fff00000'],
      ['0.0.0.0/0', '00000000', '00000000'],
      ['fd00::/9', 'fd000000000000000000000000000000', 'ff800000000000000000000000000000'],
      ['[::1]', '00000000000000000000000000000001', 'ffffffffffffffffffffffffffffffff'],
    ] as const;
    for (const [text, address, mask] of rows) {
      const read = parsePermittedName(text);
      assert.ok(read.kind === 'ip');
      assert.deepEqual([read.address.toString('hex'), read.mask.toString('hex')], [address, mask], text);
    }
  });

  it('refuses what a certificate cannot say', () => {
    assert.throws(() => parsePermittedName('ghcr.io:443'), /names a port/);
    assert.throws(() => parsePermittedName('a b'), /is not a host pattern/);
    assert.throws(() => parsePermittedName('10.0.0.0/33'), /is not an address range/);
    assert.throws(() => parsePermittedName('127.1'), /is not a host pattern/);
    assert.throws(() => parsePermittedName(''), /is not a host pattern/);
  });

  it('writes each in one spelling', () => {
    assert.deepEqual(['*.Corp.Example', '10.9.9.9/8', '10.0.0.1', 'FD00:0::/8', '::1'].map(canonicalPermittedName), [
      'corp.example',
      '10.0.0.0/8',
      '10.0.0.1/32',
      'fd00::/8',
      '::1/128',
    ]);
    assert.equal(formatRange(Buffer.alloc(4), Buffer.alloc(4)), '0.0.0.0/0');
  });

  it('takes the hosts of a fixed list, and none of an open one', () => {
    assert.deepEqual(fixedHosts(['ghcr.io', '*.corp.example:5000', 'ghcr.io:443', '[::1]:5000', '10.0.0.1']), [
      'ghcr.io',
      'corp.example',
      '::1',
      '10.0.0.1',
    ]);
    for (const open of [['auto'], ['all'], ['none'], ['ghcr.io', 'auto'], []])
      assert.equal(fixedHosts(open), undefined);
  });
});
