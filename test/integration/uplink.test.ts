import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.js';
import { proxyGet, proxyOpen } from '../support/pull.js';
import { seededBytes } from '../support/registry-content.js';
import { startProxy, type TestProxy } from '../support/start-proxy.js';
import { createTempDir, type TempDir } from '../support/temp-dir.js';

/*
 * A thin uplink, fairly used.
 *
 * Blobs have so many connections to a host, and what is over waits its turn; manifests, look-ups and questions have
 * connections of their own and never wait behind blobs. A rate holds for all downloads together, and another for those
 * of one registry.
 */

const MIB = 1024 * 1024;

describe('integration/uplink', () => {
  let registry: FakeRegistry;
  let proxy: TestProxy;
  let folder: TempDir;

  beforeEach(async () => {
    folder = await createTempDir();
    registry = await startFakeRegistry();
  });
  afterEach(async () => {
    await proxy.close();
    await registry.close();
    await folder.remove();
  });

  it('lets so many blobs through at a time, and manifests past those that wait', async () => {
    proxy = await startProxy({ registries: [registry], flags: { 'upstream-connections': '4' } });
    const blobs = Array.from({ length: 8 }, (_, i) => seededBytes(MIB, `blob ${i}`));
    const { digest } = registry.content.addImage('library/app', 'v1', { layers: blobs });
    const rule = registry.misbehave({ kind: 'blob', method: 'GET' }, { stall: 1000 });
    const ask = (path: string) => proxyGet({ ...proxy.way, authority: registry.authority, path });
    const digests = blobs.map((bytes) => registry.content.addBlob('library/app', bytes).digest);
    const downloads = digests.map((blob) => ask(`/v2/library/app/blobs/${blob}`));
    await rule.stalled(3);
    for (const path of ['/v2/', '/v2/library/app/manifests/v1', `/v2/library/app/manifests/${digest}`]) {
      assert.equal((await ask(path)).status, 200, path);
    }
    const heads = digests.map((blob) =>
      proxyGet({ ...proxy.way, authority: registry.authority, path: `/v2/library/app/blobs/${blob}`, method: 'HEAD' }),
    );
    for (const head of await Promise.all(heads)) assert.equal(head.status, 200);
    assert.equal(registry.hits({ kind: 'blob', method: 'GET' }), 3);
    rule.release();
    const bodies = await Promise.all(downloads);
    assert.deepEqual(
      bodies.map(({ body }, i) => body.equals(blobs[i] as Buffer)),
      Array(8).fill(true),
    );
    assert.equal(registry.hits({ kind: 'blob', method: 'GET' }), 8);
  });

  for (const [what, flags, yaml] of [
    ['all downloads', { 'upstream-rate': '2MiB' }, ''],
    ['those of a registry', {}, '{maxRate: 2MiB}'],
  ] as const) {
    it(`H11 gives ${what} no more than their rate, and all their bytes`, async () => {
      const config = join(folder.path, 'c.yaml');
      await writeFile(config, yaml === '' ? '' : `registries:\n  "${registry.authority}": ${yaml}\n`);
      proxy = await startProxy({ registries: [registry], flags: { config, ...flags } });
      const blobs = ['a', 'b'].map((name) => seededBytes(MIB, name));
      const digests = blobs.map((bytes) => registry.content.addBlob('library/app', bytes).digest);
      const startedAt = performance.now();
      const answers = await Promise.all(
        digests.map((digest) =>
          proxyOpen({ ...proxy.way, authority: registry.authority, path: `/v2/library/app/blobs/${digest}` }),
        ),
      );
      const headsMs = performance.now() - startedAt;
      const bodies = await Promise.all(answers.map((answer) => answer.rest()));
      // Half a mebibyte comes at once, the other one and a half at two a second.
      assert.ok(performance.now() - startedAt >= 700, 'two mebibytes came faster than the rate allows');
      assert.ok(headsMs < performance.now() - startedAt);
      assert.ok(bodies.every(({ body, complete }, i) => complete && body.equals(blobs[i] as Buffer)));
    });
  }
});
