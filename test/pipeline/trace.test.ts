import assert from 'node:assert/strict';
import { cacheStatus } from '../../src/http/cache-status.js';
import type { Exchange } from '../../src/http/exchange.js';
import { parseRoute } from '../../src/oci/route.js';
import { type CacheOutcome, note, startTrace } from '../../src/pipeline/trace.js';

const EXCHANGE = { id: 'x1' } as Exchange;

describe('pipeline/trace', () => {
  it('knows what the route names', () => {
    const named = startTrace(EXCHANGE, parseRoute('GET', '/v2/team/app/manifests/v1'), 'registry.test');
    assert.deepEqual(
      [named.id, named.registry, named.repository, named.reference, named.kind],
      ['x1', 'registry.test', 'team/app', 'v1', 'manifest'],
    );
    const bare = startTrace(EXCHANGE, parseRoute('GET', '/v2/'), 'registry.test');
    assert.deepEqual([bare.repository, bare.reference, bare.cache], [undefined, undefined, 'none']);
  });

  const table: readonly [CacheOutcome, string, string][] = [
    ['hit', 'granted', 'entrepot; hit; detail=granted'],
    ['miss', 'not-held', 'entrepot; fwd=uri-miss; stored'],
    ['collapsed', 'in-flight', 'entrepot; fwd=uri-miss; collapsed'],
    ['partial', 'far-ahead', 'entrepot; fwd=partial; detail=far-ahead'],
    ['request', 'tag-not-held', 'entrepot; fwd=request; stored'],
    ['bypass', 'head', 'entrepot; fwd=bypass; detail=head'],
  ];
  for (const [cache, reason, header] of table) {
    it(`says ${header} for ${cache}, and notes the same`, () => {
      const trace = startTrace(EXCHANGE, { kind: 'other' }, 'r');
      assert.equal(cacheStatus(note(trace, cache, reason)), header);
      assert.deepEqual([trace.cache, trace.reason], [cache, reason]);
    });
  }
});
