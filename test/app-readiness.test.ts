import assert from 'node:assert/strict';
import { openness, readinessOf } from '../src/app-readiness.js';
import type { Cache } from '../src/cache/open-cache.js';
import type { WatchedAuthority } from '../src/tls/watched-authority.js';

const DAY_MS = 24 * 3600_000;

describe('app-readiness', () => {
  function judge(fault: string | undefined, caDaysLeft: number, insecure: string[] = []) {
    const cache = { store: { fault } } as unknown as Cache;
    const current = { notAfter: Date.now() + caDaysLeft * DAY_MS, certificatePath: 'ca.crt' };
    const authority = { authorities: { current } } as unknown as WatchedAuthority;
    return readinessOf(cache, authority, insecure);
  }

  it('is ready where all is well', () => {
    assert.deepEqual(judge(undefined, 365), { ready: true, faults: [], warnings: [] });
  });

  it('is not ready where the store has a fault, in its words', () => {
    assert.deepEqual(judge('the disk is full', 365), { ready: false, faults: ['the disk is full'], warnings: [] });
  });

  it('warns of a CA that is about to expire, and is not ready once it has', () => {
    const soon = judge(undefined, 3);
    assert.equal(soon.ready, true);
    assert.equal(soon.warnings?.length, 1);
    const late = judge(undefined, -1);
    assert.equal(late.ready, false);
    assert.equal(late.faults.length, 1);
  });

  it('names parents that do not work, and needs no CA where there is none', () => {
    const cache = { store: { fault: undefined } } as unknown as Cache;
    const { ready, warnings } = readinessOf(cache, undefined, [], ['http://cache.test:3128']);
    assert.deepEqual([ready, warnings], [true, ['the parent proxy http://cache.test:3128 cannot be used']]);
  });

  it('tells that access is open, and nothing where it is checked', () => {
    assert.deepEqual(openness({ access: 'check' }), []);
    assert.match(openness({ access: 'open' }).join(), /can read everything in its store/);
  });

  it('names the hosts whose certificates are not checked', () => {
    assert.deepEqual(judge(undefined, 365, ['lab.test']).warnings, [
      'certificates of lab.test are not checked (insecure)',
    ]);
  });
});
