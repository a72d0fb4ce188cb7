import assert from 'node:assert/strict';
import { ProxyError } from '../../src/errors.js';
import { parseRanges } from '../../src/net/address-ranges.js';
import { admitClient, clientAddress } from '../../src/proxy/admission.js';

describe('proxy/admission', () => {
  const allowed = parseRanges(['10.0.0.0/8', 'fd00::/8']);

  it('admits clients whose address is in a range', () => {
    admitClient('10.1.2.3', allowed);
    admitClient('fd00::7', allowed);
  });

  for (const [client, range] of [
    ['203.0.113.7', '203.0.113.7/32'],
    ['2001:db8::7', '2001:db8::7/128'],
  ] as const) {
    it(`refuses ${client} and names the range to add`, () => {
      assert.throws(
        () => admitClient(client, allowed),
        (error) =>
          error instanceof ProxyError && error.status === 403 && error.message.includes(`--allow-clients ${range} `),
      );
    });
  }

  it('refuses a socket whose address is not known any more', () => {
    assert.throws(() => admitClient(clientAddress({}), allowed), { code: 'denied' });
  });

  it('reads an IPv4 client of an IPv6 listener as IPv4', () => {
    assert.equal(clientAddress({ remoteAddress: '::ffff:10.1.2.3' }), '10.1.2.3');
  });
});
