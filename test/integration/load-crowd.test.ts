import assert from 'node:assert/strict';
import type { TLSSocket } from 'node:tls';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.js';
import { proxyGet } from '../support/pull.js';
import { openTlsTunnel } from '../support/raw-client.js';
import { digestText, seededBytes } from '../support/registry-content.js';
import { type ProxyProcess, spawnProxy } from '../support/spawn-proxy.js';
import { createTempDir, type TempDir } from '../support/temp-dir.js';

/*
 * Many clients at once, and one that takes much. Nobody gets an error, nobody waits until the others are done, and the
 * proxy goes on looking at all of them in turn. Times are compared with others of the same run only.
 */

const TUNNELS = 1000;
const REQUESTS = 10;
/** Handshakes, and requests, that one client address may have under way are limited; these are below. */
const OPENING = 64;
const ASKING = 400;

const LARGE_BYTES = 256 * 1024 * 1024;
const SMALL_HITS = 100;

describe('integration/crowds', () => {
  let registry: FakeRegistry;
  let folder: TempDir;
  let proxy: ProxyProcess;

  before(async function () {
    this.timeout(60_000);
    registry = await startFakeRegistry();
    folder = await createTempDir();
    proxy = await spawnProxy(folder.path, { registries: [registry], flags: { 'max-client-connections': '1100' } });
  });

  after(async () => {
    await proxy.end('SIGTERM');
    await registry.close();
    await folder.remove();
  });

  function get(digest: string, socket?: TLSSocket) {
    const path = `/v2/a/blobs/${digest}`;
    return proxyGet({ ...proxy.way, authority: registry.authority, path, ...(socket === undefined ? {} : { socket }) });
  }

  async function lagP99(): Promise<number> {
    const text = await (await fetch(`http://${proxy.admin}/metrics`)).text();
    return Number(/^nodejs_eventloop_lag_p99_seconds (\S+)$/m.exec(text)?.[1]) * 1000;
  }

  it('answers ten requests of each of a thousand tunnels, and none long after the others (J02)', async function () {
    this.timeout(120_000);
    const blob = registry.content.addBlob('a', seededBytes(2000, 'small'));
    await get(blob.digest);
    assert.equal((await get(blob.digest)).header('cache-status')?.startsWith('entrepot; hit'), true);
    const tunnels = await inParallel(Array(TUNNELS).fill(0), OPENING, () => {
      return openTlsTunnel({ ...proxy.way, authority: registry.authority });
    });
    await lagP99();
    const requests = Array.from({ length: REQUESTS }, () => tunnels).flat();
    const begunAt = performance.now();
    const took = await inParallel(requests, ASKING, async (socket) => {
      const startedAt = performance.now();
      const answer = await get(blob.digest, socket);
      assert.equal(answer.status, 200);
      assert.ok(answer.complete && answer.body.equals(blob.bytes));
      return performance.now() - startedAt;
    });
    const totalMs = performance.now() - begunAt;
    const lagMs = await lagP99();
    for (const socket of tunnels) socket.destroy();
    const p99 = took.toSorted((one, other) => one - other)[Math.floor(0.99 * took.length)] ?? 0;
    assert.equal(registry.hits({ kind: 'blob', method: 'GET' }), 1);
    // Twenty-five rounds of all that may ask at once: nobody waits for many of them.
    assert.ok(p99 < totalMs / 4, `one of a hundred took ${p99} of ${totalMs} ms`);
    assert.ok(lagMs < totalMs / 4, `one of a hundred turns took ${lagMs} of ${totalMs} ms`);
  });

  it('answers small requests all through a large download (J03)', async function () {
    this.timeout(120_000);
    // Zeros that nobody has written take no memory.
    const bytes = Buffer.alloc(LARGE_BYTES);
    const large = digestText(bytes);
    registry.content.blobs.set(large, bytes);
    registry.content.repository('a').blobs.add(large);
    const small = registry.content.addBlob('a', seededBytes(2000, 'small'));
    await get(small.digest);
    const socket = await openTlsTunnel({ ...proxy.way, authority: registry.authority });
    const startedAt = performance.now();
    const done = { afterMs: 0 };
    const downloading = download(large).finally(() => {
      done.afterMs = performance.now() - startedAt;
    });
    let answers = 0;
    let longestMs = 0;
    while (done.afterMs === 0) {
      const askedAt = performance.now();
      const answer = await get(small.digest, socket);
      assert.ok(answer.status === 200 && answer.complete && answer.body.equals(small.bytes));
      if (done.afterMs > 0) break;
      answers += 1;
      longestMs = Math.max(longestMs, performance.now() - askedAt);
    }
    socket.destroy();
    assert.equal(await downloading, LARGE_BYTES);
    assert.ok(answers >= SMALL_HITS, `${answers} small answers`);
    assert.ok(longestMs < done.afterMs / 4, `a small answer took ${longestMs} ms, the download ${done.afterMs} ms`);
  });

  /** Reads a blob without keeping it; gives its length where it came whole. */
  async function download(digest: string): Promise<number> {
    const socket = await openTlsTunnel({ ...proxy.way, authority: registry.authority });
    const host = `Host: ${registry.authority}\r\nConnection: close\r\n`;
    socket.write(`GET /v2/a/blobs/${digest} HTTP/1.1\r\n${host}\r\n`);
    let headBytes = 0;
    let total = 0;
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      if (total === 0) headBytes = chunk.indexOf('\r\n\r\n') + 4;
      total += chunk.length;
    }
    return total - headBytes;
  }
});

/** Does something with each, so many at a time, and gives the results in the order of their ends. */
async function inParallel<T, R>(items: readonly T[], atOnce: number, task: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  async function worker(): Promise<void> {
    while (next < items.length) {
      const item = items[next] as T;
      next += 1;
      results.push(await task(item));
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker));
  return results;
}
