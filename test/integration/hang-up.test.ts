import assert from 'node:assert/strict';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.js';
import { proxyGet, proxyOpen } from '../support/pull.js';
import { seededBytes } from '../support/registry-content.js';
import { startProxy, type TestProxy } from '../support/start-proxy.js';

/**
 * A client that goes away is everyday business: the exchange ends, nothing counts as a fault of the proxy, and what it
 * had asked for is there for the next one.
 */
describe('integration: clients that hang up', () => {
  let registry: FakeRegistry;
  let proxy: TestProxy;
  before(async () => {
    registry = await startFakeRegistry();
    proxy = await startProxy({ registries: [registry] });
  });
  after(async () => {
    await proxy?.close();
    await registry?.close();
  });

  it('counts no fault when a client leaves in the middle of a body, cold or from disk', async () => {
    const bytes = seededBytes(4_000_000, 'hang-up');
    const image = registry.content.addImage('app', 'v1', { layers: [bytes] });
    const path = `/v2/app/blobs/${image.layers[0]?.digest}`;
    for (let round = 0; round < 3; round += 1) {
      const open = await proxyOpen({ ...proxy.way, authority: registry.authority, path });
      await open.read(1000);
      open.hangUp();
      await proxy.settled();
    }
    const whole = await proxyGet({ ...proxy.way, authority: registry.authority, path });
    assert.ok(whole.body.equals(bytes));
    assert.equal(registry.hits({ method: 'GET', kind: 'blob' }), 1);
    assert.equal(await proxy.metric('entrepot_faults_total{code="internal",source="internal"}'), 0);
  });
});
