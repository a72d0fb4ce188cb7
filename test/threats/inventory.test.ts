import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { EntryOrder, Index, Row } from '../../src/cache/contract.js';
import { Entries } from '../../src/cache/entries.js';
import { createInventory } from '../../src/cache/entry-listing.js';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.js';
import { proxyGet, proxyOpen } from '../support/pull.js';
import { seededBytes } from '../support/registry-content.js';
import { startProxy, type TestProxy } from '../support/start-proxy.js';

/*
 * Whoever looks at the store, or takes things out of it, is in nobody's way.
 */

const MIB = 1024 * 1024;

/** Spread evenly, as digests are, and in the order of their numbers. */
const APART = 42_949;

function digestOf(n: number): string {
  return `sha256:${(n * APART).toString(16).padStart(8, '0').padEnd(64, '0')}`;
}

function numberOf(digest: string): number {
  return Number.parseInt(digest.slice('sha256:'.length, 'sha256:'.length + 8), 16) / APART;
}

/** An index of so many rows that are made when they are asked for; notes how many it gave at once. */
function countedIndex(count: number, given: number[]): Index {
  return {
    needsRebuild: false,
    get: async () => undefined,
    set: async () => {},
    delete: async () => {},
    async page(_kind, { after, limit }) {
      const first = after === undefined ? 0 : numberOf(after) + 1;
      const rows: Row[] = [];
      for (let n = first; n < count && rows.length < limit; n += 1)
        rows.push({ key: digestOf(n), value: { sizeBytes: n % 1000, storedAt: n } });
      given.push(rows.length);
      return rows;
    },
    takeTotals: async () => undefined,
    keepTotals: async () => {},
    markRebuilt: async () => {},
    close: async () => {},
  };
}

describe('threats/inventory', function () {
  this.timeout(60_000);

  it('K06: lists a hundred thousand entries in pages, and holds no more than a page', async () => {
    const given: number[] = [];
    const index = countedIndex(100_000, given);
    const entries = new Entries(index);
    const loaded = entries.load(() => false);
    const inventory = createInventory({ entries, index, loaded, refreshPins: async () => {} });
    await loaded;
    given.length = 0;
    for (const order of ['digest', 'size', 'used'] satisfies EntryOrder[]) {
      const first = await inventory.list({ order, limit: 100 });
      const second = await inventory.list({ order, limit: 100, ...(first.next && { after: first.next }) });
      const digests = [...first.entries, ...second.entries].map(({ digest }) => digest);
      assert.equal(new Set(digests).size, 200, order);
      assert.ok(second.next, order);
    }
    assert.ok(
      given.every((rows) => rows <= 100),
      given.join(' '),
    );
  });

  describe('K08: removal while pulls run', () => {
    let registry: FakeRegistry;
    let proxy: TestProxy;
    beforeEach(async () => {
      registry = await startFakeRegistry();
      proxy = await startProxy({ registries: [registry] });
    });
    afterEach(async () => {
      await proxy.close();
      await registry.close();
    });

    async function remove(digest: string): Promise<number> {
      const token = (await readFile(join(proxy.folder, 'data', 'admin.token'), 'utf8')).trim();
      const { admin } = proxy.app;
      const url = `http://${admin?.host}:${admin?.port}/api/v1/blobs/${digest}`;
      const answer = await fetch(url, { method: 'DELETE', headers: { Authorization: `Bearer ${token}` } });
      await answer.arrayBuffer();
      return answer.status;
    }

    const GET = { kind: 'blob', method: 'GET' } as const;

    it('takes nothing from those who are reading, and the next one gets it anew', async () => {
      const blob = registry.content.addBlob('team/app', seededBytes(24 * MIB, 'removed'));
      const request = { ...proxy.way, authority: registry.authority, path: `/v2/team/app/blobs/${blob.digest}` };
      assert.ok((await proxyGet(request)).body.equals(blob.bytes));
      await proxy.settled();
      const reading = await proxyOpen(request);
      assert.match(reading.header('Cache-Status') ?? '', /hit/);
      const start = await reading.read(MIB);
      assert.equal(await remove(blob.digest), 200);
      const { body, complete } = await reading.rest();
      assert.ok(complete && Buffer.concat([start, body]).equals(blob.bytes));
      const anew = await proxyGet(request);
      assert.ok(anew.body.equals(blob.bytes));
      assert.match(anew.header('Cache-Status') ?? '', /fwd=uri-miss; stored/);
      assert.equal(registry.hits(GET), 2);
    });

    it('does not touch what is still arriving', async () => {
      const blob = registry.content.addBlob('team/app', seededBytes(3 * MIB, 'arriving'));
      const request = { ...proxy.way, authority: registry.authority, path: `/v2/team/app/blobs/${blob.digest}` };
      const rule = registry.misbehave(GET, { stall: MIB });
      const arriving = await proxyOpen(request);
      await rule.stalled();
      assert.equal(await remove(blob.digest), 404);
      rule.release();
      assert.ok((await arriving.rest()).body.equals(blob.bytes));
      await proxy.settled();
      assert.match((await proxyGet(request)).header('Cache-Status') ?? '', /hit/);
    });

    it('never gives a wrong byte, however removals and pulls cross', async () => {
      const blobs = Array.from({ length: 4 }, (_, i) => registry.content.addBlob('team/app', seededBytes(MIB, `${i}`)));
      const pulls = Array.from({ length: 40 }, async (_, i) => {
        const blob = blobs[i % blobs.length] as (typeof blobs)[number];
        const path = `/v2/team/app/blobs/${blob.digest}`;
        if (i % 3 === 0) await remove(blob.digest);
        const { body, complete } = await proxyGet({ ...proxy.way, authority: registry.authority, path });
        assert.ok(complete && body.equals(blob.bytes), `${i}`);
      });
      await Promise.all(pulls);
    });
  });
});
