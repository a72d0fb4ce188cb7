import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { takeSample } from '../soak/samples.js';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.js';
import { proxyGet, proxyOpen } from '../support/pull.js';
import { ConnectRefused, connectRaw, exchangeRaw } from '../support/raw-client.js';
import { seededBytes } from '../support/registry-content.js';
import { type ProxyProcess, spawnProxy } from '../support/spawn-proxy.js';
import { startProxy } from '../support/start-proxy.js';
import { createTempDir, type TempDir } from '../support/temp-dir.js';

/*
 * More than there is room for. What is too much is turned away at once, before any work is done for it, and told when to
 * come back; what has a place is served as if nobody else were there; and afterwards nothing is left of it. Two hundred
 * streams fit into a heap of 128 MiB, however slowly they are read.
 */

const PLACES = 24;
const PULLS = 250;

const STREAMS = 200;
const QUICK = 40;
/** More than the buffers of a connection take. */
const STREAM_BYTES = 5 * 1024 * 1024;
const PIECE_BYTES = 256 * 1024;

describe('integration/limits of the load', () => {
  let registry: FakeRegistry;
  let folder: TempDir;
  let proxy: ProxyProcess | undefined;

  beforeEach(async () => {
    registry = await startFakeRegistry();
    folder = await createTempDir();
  });

  afterEach(async () => {
    await proxy?.end('SIGTERM');
    proxy = undefined;
    await registry.close();
    await folder.remove();
  });

  it('turns away what is too much at once, and serves the others as before and afterwards (J04)', async function () {
    this.timeout(120_000);
    const flags = { 'max-client-connections': String(PLACES) };
    const { way } = (proxy = await spawnProxy(folder.path, { registries: [registry], flags }));
    const blob = registry.content.addBlob('a', seededBytes(30_000, 'blob'));
    const request = { ...way, authority: registry.authority, path: `/v2/a/blobs/${blob.digest}` };
    await proxyGet(request);

    /** Clients with a connection for each pull, who come back a moment after they were turned away. */
    async function pulls(clients: number): Promise<{ readonly tookMs: number; readonly refused: number }> {
      const startedAt = performance.now();
      let begun = 0;
      let refused = 0;
      async function client(): Promise<void> {
        while (begun < PULLS) {
          begun += 1;
          for (let done = false; !done; ) {
            const answer = await proxyGet(request).catch((error: unknown) => {
              // 0: closed without a word, as those are who come when even the refusals are too many.
              if (isRefusal(error)) return undefined;
              throw error;
            });
            done = answer !== undefined;
            if (answer) assert.ok(answer.status === 200 && answer.body.equals(blob.bytes));
            else refused += 1;
            if (!done) await delay(100);
          }
        }
      }
      await Promise.all(Array.from({ length: clients }, client));
      return { tookMs: performance.now() - startedAt, refused };
    }

    const peak = await pulls(PLACES / 2);
    const overload = await pulls(PLACES * 5);
    const afterwards = await pulls(PLACES / 2);
    assert.equal(peak.refused, 0);
    assert.ok(overload.refused > 0);
    assert.equal(afterwards.refused, 0);
    const usualMs = Math.max(peak.tookMs, afterwards.tookMs);
    assert.ok(overload.tookMs < 3 * usualMs, `${overload.tookMs} ms, as a rule ${usualMs} ms`);
  });

  it('says early when to come back (J04)', async () => {
    const flags = { 'max-client-connections': '2' };
    await using small = await startProxy({ registries: [registry], flags });
    const held = [await connectRaw(small.place), await connectRaw(small.place)];
    const answer = await exchangeRaw(small.place, `CONNECT ${registry.authority} HTTP/1.1\r\nHost: x\r\n\r\n`);
    assert.match(answer, /^HTTP\/1\.1 503 /);
    assert.match(answer, /^Retry-After: 5\r$/m);
    assert.equal(registry.requests.length, 0);
    for (const client of held) client.destroy();
  });

  it('streams to two hundred clients in a heap of 128 MiB, most of them slow, and gives every byte (J05)', async function () {
    this.timeout(120_000);
    const running = await spawnProxy(
      folder.path,
      { registries: [registry], flags: { 'max-client-connections': '256' } },
      { NODE_OPTIONS: '--max-old-space-size=128' },
    );
    proxy = running;
    const blobs = [1, 2, 3, 4].map((n) => registry.content.addBlob('a', seededBytes(STREAM_BYTES, n)));
    let quickLeft = QUICK;
    let go = (): void => undefined;
    const quickAreDone = new Promise<void>((resolve) => {
      go = resolve;
    });

    async function stream(n: number): Promise<void> {
      const blob = blobs[n % blobs.length];
      assert.ok(blob);
      const isQuick = n >= STREAMS - QUICK;
      const answer = await proxyOpen({
        ...running.way,
        authority: registry.authority,
        path: `/v2/a/blobs/${blob.digest}`,
      });
      assert.equal(answer.status, 200);
      for (let at = 0; at < STREAM_BYTES; at += PIECE_BYTES) {
        const piece = await answer.read(PIECE_BYTES);
        assert.ok(piece.equals(blob.bytes.subarray(at, at + PIECE_BYTES)), `stream ${n} at ${at}`);
        if (!isQuick && at === 0) await quickAreDone;
      }
      assert.equal((await answer.rest()).complete, true);
      quickLeft -= isQuick ? 1 : 0;
      if (quickLeft === 0) go();
    }

    /** The others have stopped then, each with nearly all of its bytes to come. */
    async function residentWhenQuickAreDone(): Promise<number> {
      await quickAreDone;
      return (await takeSample(running.admin)).residentBytes;
    }

    const looking = residentWhenQuickAreDone();
    await Promise.all(Array.from({ length: STREAMS }, (_, n) => stream(n)));
    const residentBytes = await looking;
    assert.ok(residentBytes < (STREAMS * STREAM_BYTES) / 2, `${residentBytes} bytes for ${STREAMS} streams`);
    assert.equal(registry.hits({ kind: 'blob', method: 'GET' }), blobs.length);
    assert.equal(running.process.exitCode, null);
  });
});

/** Whether the proxy had no place for a connection. */
function isRefusal(error: unknown): boolean {
  if (error instanceof ConnectRefused) return error.status === 503 || error.status === 0;
  return (error as NodeJS.ErrnoException).code === 'ECONNRESET' || (error as NodeJS.ErrnoException).code === 'EPIPE';
}
