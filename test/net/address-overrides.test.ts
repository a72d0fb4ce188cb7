import assert from 'node:assert/strict';
import { parseOverrides } from '../../src/net/address-overrides.js';

describe('net/address-overrides', () => {
  it('finds what is named for a host, that for its port first', () => {
    const overrides = parseOverrides(['A.test=10.0.0.1', 'a.test=[2001:db8::1]', 'a.test:5000=10.0.0.2']);
    assert.deepEqual(overrides.find('a.test', 443), ['10.0.0.1', '2001:db8::1']);
    assert.deepEqual(overrides.find('a.test', 5000), ['10.0.0.2']);
    assert.equal(overrides.find('b.test', 443), undefined);
  });

  for (const text of ['', 'a.test', 'a.test=', 'a.test=b.test', '=10.0.0.1', '10.0.0.1=10.0.0.2', 'a.test=127.1']) {
    it(`refuses ${JSON.stringify(text)}`, () => assert.throws(() => parseOverrides([text]), /names no address/));
  }
});
