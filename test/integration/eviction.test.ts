import assert from 'node:assert/strict';
import { join } from 'node:path';
import { run } from '../../src/cli/run.js';
import type { StoreStats } from '../../src/inventory/contract.js';
import { createFakeIo } from '../cli/fake-io.js';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.js';
import { proxyGet } from '../support/pull.js';
import { seededBytes } from '../support/registry-content.js';
import { startProxy, type TestProxy } from '../support/start-proxy.js';

/*
 * A store that is too small for what is pulled through it.
 *
 * Every pull succeeds with the right bytes. The folder stays within its budget, what is pinned stays, what was evicted
 * is fetched again and stored again, and a blob larger than the whole budget streams through.
 */

const LAYER_BYTES = 1_000_000;
const LAYERS = 24;
const BUDGET_BYTES = 12_000_000;

describe('integration/eviction', function () {
  this.timeout(60_000);
  let registry: FakeRegistry;
  let proxy: TestProxy;

  before(async () => {
    registry = await startFakeRegistry();
    const flags = { 'max-size': String(BUDGET_BYTES), 'min-free': '0', pins: `${registry.authority}/pinned*` };
    proxy = await startProxy({ registries: [registry], flags });
  });
  after(async () => {
    await proxy?.close();
    await registry?.close();
  });

  async function pull(repository: string, bytes: Buffer): Promise<string> {
    const { digest } = registry.content.addBlob(repository, bytes);
    const path = `/v2/${repository}/blobs/${digest}`;
    const answer = await proxyGet({ ...proxy.way, authority: registry.authority, path });
    assert.equal(answer.status, 200);
    assert.ok(answer.body.equals(bytes));
    await proxy.settled();
    return path;
  }

  async function stats(): Promise<StoreStats> {
    const io = createFakeIo({ env: { HOME: proxy.folder } });
    const admin = `http://127.0.0.1:${proxy.app.admin?.port}`;
    const words = ['cache', 'stats', '--json', '--data-dir', join(proxy.folder, 'data'), '--admin', admin];
    assert.equal(await run(words, io, 100), 0, io.written.error);
    return JSON.parse(io.written.out) as StoreStats;
  }

  function fetches(path: string): number {
    return registry.find({ own: false, method: 'GET', path: new RegExp(path), status: 200 }).length;
  }

  it('gives every client the right bytes, stays in its budget, and keeps what is pinned', async () => {
    const layer = (n: number): Buffer => seededBytes(LAYER_BYTES, `layer ${n}`);
    const pinned = await pull('pinned-base', layer(1000));
    const first = await pull('a', layer(0));
    for (let n = 1; n < LAYERS; n += 1) await pull('a', layer(n));
    assert.ok((await proxy.metric('entrepot_evictions_total')) >= LAYERS - 12);
    assert.ok((await proxy.metric('entrepot_evicted_bytes_total')) >= (LAYERS - 12) * LAYER_BYTES);
    assert.equal(await proxy.metric('entrepot_store_budget_bytes'), BUDGET_BYTES);
    assert.ok((await proxy.metric('entrepot_store_used_bytes')) <= BUDGET_BYTES);

    const { evicted, lastEvictedAt = 0, roomBytes = -1 } = await stats();
    assert.equal(evicted?.entries, await proxy.metric('entrepot_evictions_total'));
    assert.equal(evicted?.bytes, await proxy.metric('entrepot_evicted_bytes_total'));
    assert.ok(lastEvictedAt > 0 && roomBytes >= 0 && roomBytes < BUDGET_BYTES);

    await pull('pinned-base', layer(1000));
    await pull('a', layer(0));
    assert.equal(fetches(pinned), 1);
    assert.equal(fetches(first), 2);
    await pull('a', layer(0));
    assert.equal(fetches(first), 2);
  });

  it('streams through what is larger than the whole budget', async () => {
    const entries = await proxy.metric('entrepot_store_entries');
    await pull('a', seededBytes(BUDGET_BYTES + 1, 'larger than all'));
    assert.equal(await proxy.metric('entrepot_store_entries'), entries);
  });
});
