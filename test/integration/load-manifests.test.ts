import assert from 'node:assert/strict';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.js';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.js';
import { proxyGet } from '../support/pull.js';
import { digestText } from '../support/registry-content.js';
import { startProxy, type TestProxy } from '../support/start-proxy.js';

/*
 * A manifest may have 4 MiB, and whoever runs a registry chooses what stands in it. It goes to the client as it is; and
 * nobody else waits for it: nothing is done with it that keeps the event loop for as long as parsing it would. Pauses
 * are compared with that very parsing, in the same process.
 */

const MANIFEST_BYTES = 4 * 1024 * 1024;
const TRIES = 3;

/** The longest time without a turn of the event loop while something is under way, milliseconds. */
async function longestPause(work: () => Promise<unknown>): Promise<number> {
  const pauses = monitorEventLoopDelay({ resolution: 1 });
  pauses.enable();
  // The first turn that it sees is where it counts from.
  await delay(10);
  await work();
  // What was put off until after the answer belongs to it. Timers go by the time at which their turn began.
  await nextTurn();
  await delay(10);
  pauses.disable();
  return pauses.max / 1e6;
}

/** The calmest of a few tries: what this machine does beside it only makes them longer. */
async function calmest(work: (attempt: number) => Promise<unknown>): Promise<number> {
  const found: number[] = [];
  for (let attempt = 0; attempt < TRIES; attempt += 1) found.push(await longestPause(() => work(attempt)));
  return Math.min(...found);
}

/** An index of 4 MiB, with a field that readers take no notice of. */
function indexOf(attempt: number, filler: string): Buffer {
  const head = `{"schemaVersion":2,"mediaType":"${OCI_INDEX}","manifests":[],"x":[${attempt}`;
  const count = Math.floor((MANIFEST_BYTES - head.length - 2) / filler.length);
  return Buffer.from(`${head}${filler.repeat(count)}]}`);
}

describe('integration/large manifests (J06)', () => {
  let registry: FakeRegistry;
  let proxy: TestProxy;

  before(async () => {
    registry = await startFakeRegistry();
    proxy = await startProxy({ registries: [registry] });
  });

  after(async () => {
    await proxy.close();
    await registry.close();
  });

  function get(reference: string) {
    const headers = ['Accept', OCI_INDEX];
    return proxyGet({ ...proxy.way, authority: registry.authority, path: `/v2/a/manifests/${reference}`, headers });
  }

  for (const [what, filler] of [
    ['objects without content', ',{}'],
    ['lists in lists', ',[[]]'],
  ] as const) {
    it(`passes 4 MiB of ${what} on, and stops for less than parsing takes`, async () => {
      const parsing = await calmest(async (attempt) => void JSON.parse(indexOf(attempt, filler).toString()));
      const passing = await calmest(async (attempt) => {
        const { digest, bytes } = registry.content.addManifest('a', indexOf(attempt, filler), OCI_INDEX);
        const answer = await get(digest);
        assert.deepEqual([answer.status, answer.complete, answer.body.equals(bytes)], [200, true, true]);
      });
      assert.ok(passing < parsing / 2, `${passing} ms, and ${parsing} ms for parsing`);
    });
  }

  it('keeps an index of two thousand images, and gives it from disk', async () => {
    const manifests = Array.from({ length: 2000 }, (_, i) => {
      return { mediaType: OCI_MANIFEST, digest: digestText(Buffer.from(String(i))), size: i };
    });
    const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests };
    const { bytes } = registry.content.addManifest('a', index, OCI_INDEX, { tag: 'large' });
    await get('large');
    const again = await get('large');
    assert.equal(again.header('cache-status'), 'entrepot; hit; detail=resolved');
    assert.ok(again.body.equals(bytes));
  });
});
