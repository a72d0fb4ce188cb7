import assert from 'node:assert/strict';
import { DEFAULT_CLIENT_RANGES, parseRanges, plainAddress, rangeBytes } from '../../src/net/address-ranges.js';

describe('net/address-ranges', () => {
  const table: [range: string, address: string, contains: boolean][] = [
    ['10.0.0.0/8', '10.255.0.1', true],
    ['10.0.0.0/8', '11.0.0.1', false],
    ['10.0.0.0/8', '::ffff:10.1.2.3', true],
    ['10.0.0.0/8', '::ffff:a01:203', true],
    ['10.0.0.0/8', '64:ff9b::a01:203', true],
    ['1.2.3.4', '1.2.3.4', true],
    ['1.2.3.4', '1.2.3.5', false],
    ['fd00::/8', 'fd12::1', true],
    ['fd00::/8', '10.0.0.1', false],
    ['::1', '::1', true],
    ['::1', '127.0.0.1', false],
    ['fe80::/10', 'fe80::1%eth0', true],
    ['0.0.0.0/0', '::1', false],
    ['::/0', '1.2.3.4', false],
    ['::ffff:1.2.3.4', '1.2.3.4', true],
    ['::ffff:10.0.0.0/104', '10.9.9.9', true],
    ['::ffff:10.0.0.0/104', '11.9.9.9', false],
    ['0.0.0.0/0', 'localhost', false],
    ['0.0.0.0/0', '', false],
  ];
  for (const [range, address, contains] of table) {
    it(`${range} ${contains ? 'contains' : 'does not contain'} ${JSON.stringify(address)}`, () => {
      assert.equal(parseRanges([range]).contains(address), contains);
    });
  }

  for (const text of [
    '',
    'all',
    '10.0.0.0/33',
    '10.0.0',
    '127.1',
    '0x7f.0.0.1',
    '10.0.0.0/',
    '::/129',
    'a.test',
    '10/8',
    '10.0.0.0/8/8',
    '10.0.0.0/-1',
    '::ffff:0:0/90',
    '10.0.0.0/1e1',
  ]) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(
        () => parseRanges([text]),
        (error: Error) => error.message.startsWith(JSON.stringify(text)),
      );
    });
  }

  it('admits by default the machine itself and private networks, and nobody else', () => {
    const ranges = parseRanges(DEFAULT_CLIENT_RANGES);
    const inside = [
      '127.0.0.1',
      '::1',
      '10.1.1.1',
      '172.31.0.1',
      '192.168.9.9',
      '100.127.0.1',
      'fd00::1',
      'fe80::1',
      '169.254.3.3',
    ];
    const outside = ['8.8.8.8', '172.32.0.1', '100.128.0.1', '203.0.113.7', '2001:db8::1', '0.0.0.0'];
    assert.deepEqual(
      inside.filter((address) => !ranges.contains(address)),
      [],
    );
    assert.deepEqual(
      outside.filter((address) => ranges.contains(address)),
      [],
    );
  });

  it('writes an address in its plainest form', () => {
    assert.equal(plainAddress('::ffff:127.0.0.1'), '127.0.0.1');
    assert.equal(plainAddress('192.0.2.7'), '192.0.2.7');
    assert.equal(plainAddress('2001:DB8:0::1'), '2001:db8::1');
    assert.equal(plainAddress('no address'), 'no address');
  });

  it('gives a range as the bytes of its address and mask', () => {
    const { address, mask } = rangeBytes('10.1.2.3/12');
    assert.deepEqual([...address, ...mask], [10, 0, 0, 0, 255, 240, 0, 0]);
    assert.throws(() => rangeBytes('10.0.0.0/33'), /is not an address range/);
  });
});
