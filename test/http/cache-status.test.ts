import assert from 'node:assert/strict';
import { cacheStatus, withCacheStatus } from '../../src/http/cache-status.js';

describe('http/cache-status', () => {
  it('writes the forms that the contract names', () => {
    assert.equal(cacheStatus({ hit: true }), 'entrepot; hit');
    assert.equal(cacheStatus({ hit: true, detail: 'granted' }), 'entrepot; hit; detail=granted');
    assert.equal(cacheStatus({ fwd: 'uri-miss', stored: true }), 'entrepot; fwd=uri-miss; stored');
    assert.equal(cacheStatus({ fwd: 'uri-miss', collapsed: true }), 'entrepot; fwd=uri-miss; collapsed');
    assert.equal(cacheStatus({ fwd: 'stale', fwdStatus: 503 }), 'entrepot; fwd=stale; fwd-status=503');
    assert.equal(cacheStatus({ hit: false, stored: false, fwd: 'bypass' }), 'entrepot; fwd=bypass');
  });

  it('quotes a detail that is no token', () => {
    assert.equal(cacheStatus({ hit: true, detail: 'a "b\\c"' }), String.raw`entrepot; hit; detail="a \"b\\c\""`);
    assert.equal(cacheStatus({ hit: true, detail: '9x' }), 'entrepot; hit; detail="9x"');
  });

  it('lets no line break or foreign letter through', () => {
    assert.equal(cacheStatus({ hit: true, detail: 'a\r\nb: é' }), 'entrepot; hit; detail="a??b: ?"');
  });

  it('stands after the members of the caches before', () => {
    assert.deepEqual(withCacheStatus(['cache-status', 'cdn; hit', 'X', '1'], { fwd: 'bypass' }), [
      'cache-status',
      'cdn; hit',
      'X',
      '1',
      'Cache-Status',
      'entrepot; fwd=bypass',
    ]);
  });
});
