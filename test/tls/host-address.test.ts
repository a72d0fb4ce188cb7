import assert from 'node:assert/strict';
import { hostAddress } from '../../src/tls/host-address.js';

describe('tls/host-address', () => {
  it('gives the bytes of addresses, and nothing for names', () => {
    const rows = [
      ['10.0.0.255', '0a0000ff'],
      ['::1', '00000000000000000000000000000001'],
      ['2001:db8::a:0:1', '20010db80000000000000000000a00000001'.slice(0, 12) + '00000000000a00000001'],
      ['::ffff:192.0.2.1', '00000000000000000000ffffc0000201'],
    ] as const;
    for (const [host, hex] of rows) assert.equal(hostAddress(host)?.toString('hex'), hex, host);
    for (const name of ['registry.test', 'localhost', '1.2.3', '[::1]', '']) assert.equal(hostAddress(name), undefined);
  });
});
