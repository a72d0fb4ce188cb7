import assert from 'node:assert/strict';
import { createQuota } from '../../src/net/quota.js';

describe('net/quota', () => {
  it('gives one client so much and no more, and the others theirs', () => {
    const quota = createQuota({ perClient: 2, total: 10 });
    const give = quota.take('10.0.0.1');
    assert.ok(give && quota.take('10.0.0.1'));
    assert.equal(quota.take('10.0.0.1'), undefined);
    assert.ok(quota.take('10.0.0.2'));
    assert.equal(quota.used, 3);
    give();
    assert.ok(quota.take('10.0.0.1'));
    assert.equal(quota.take('10.0.0.1'), undefined);
  });

  it('gives all together so much and no more', () => {
    const quota = createQuota({ perClient: 2, total: 3 });
    for (const client of ['a', 'a', 'b']) assert.ok(quota.take(client));
    assert.equal(quota.take('c'), undefined);
    assert.equal(quota.used, 3);
  });

  it('counts what is given back twice once', () => {
    const quota = createQuota({ perClient: 2, total: 2 });
    const give = quota.take('a');
    quota.take('a');
    give?.();
    give?.();
    assert.equal(quota.used, 1);
    assert.ok(quota.take('a'));
    assert.equal(quota.take('a'), undefined);
  });
});
