import assert from 'node:assert/strict';
import { createUplinkLimits } from '../../src/upstream/uplink-limits.js';

describe('upstream/uplink-limits', () => {
  it('keeps a quarter of the connections for what is small', () => {
    const limits = createUplinkLimits({
      connections: 256,
      bytesPerSecond: 0,
      registries: [
        { pattern: 'thin.test', maxConnections: 4 },
        { pattern: 'one.test', maxConnections: 1 },
      ],
    });
    assert.deepEqual(limits.connectionsTo('a.test', 443), { bulk: 192, small: 64 });
    assert.deepEqual(limits.connectionsTo('thin.test', 443), { bulk: 3, small: 1 });
    assert.deepEqual(limits.connectionsTo('one.test', 443), { bulk: 1, small: 1 });
  });

  it('counts a download for all and for its registry', () => {
    const registries = [{ pattern: 'thin.test:5000', maxBytesPerSecond: 1000 }];
    const limits = createUplinkLimits({ connections: 8, bytesPerSecond: 5000, registries });
    assert.equal(limits.sharesOf({ host: 'thin.test', port: 5000 }).length, 2);
    assert.equal(limits.sharesOf({ host: 'thin.test', port: 443 }).length, 1);
    assert.equal(limits.sharesOf({ host: 'a.test', port: 1 })[0], limits.sharesOf({ host: 'b.test', port: 1 })[0]);
    assert.deepEqual(createUplinkLimits({ connections: 8, bytesPerSecond: 0 }).sharesOf({ host: 'a', port: 1 }), []);
  });
});
