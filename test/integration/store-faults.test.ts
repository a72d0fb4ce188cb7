import assert from 'node:assert/strict';
import { mkdir, open, readdir, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.js';
import { type ProxyAnswer, proxyGet } from '../support/pull.js';
import { pullImage } from '../support/pull-image.js';
import { digestText, seededBytes } from '../support/registry-content.js';
import { startProxy, type TestProxy } from '../support/start-proxy.js';

/*
 * What happens to pulls while the disk, the folder or the index fails under a running proxy: they go on. Readiness and
 * metrics say what is wrong, and nothing has to be started again when it is right again.
 */

const SIZE = 1_500_000;

describe('integration/store-faults', function () {
  this.timeout(60_000);
  let registry: FakeRegistry;
  let proxy: TestProxy;
  let data: string;
  let seeds = 0;

  beforeEach(async () => {
    registry = await startFakeRegistry();
    proxy = await startProxy({ registries: [registry] });
    data = join(proxy.folder, 'data');
  });
  afterEach(async () => {
    await proxy.close();
    await registry.close();
  });

  function newBlob(): string {
    seeds += 1;
    return registry.content.addBlob('a', seededBytes(SIZE, `fault ${seeds}`)).digest;
  }

  function get(digest: string): Promise<ProxyAnswer> {
    return proxyGet({ ...proxy.way, authority: registry.authority, path: `/v2/a/blobs/${digest}` });
  }

  async function getWhole(digest: string): Promise<string> {
    const answer = await get(digest);
    assert.equal(answer.status, 200);
    assert.equal(answer.complete, true);
    assert.equal(digestText(answer.body), digest);
    return answer.header('cache-status') ?? '';
  }

  /** Gets it until it comes from disk, which it is to come to by itself. */
  async function untilHit(digest: string): Promise<void> {
    while (!/; hit/.test(await getWhole(digest))) await delay(20);
  }

  async function ready(): Promise<{ readonly status: number; readonly text: string }> {
    const { host, port } = proxy.app.admin ?? { host: '', port: 0 };
    const response = await fetch(`http://${host}:${port}/readyz`);
    return { status: response.status, text: await response.text() };
  }

  async function untilReady(): Promise<void> {
    while ((await ready()).status !== 200) await delay(20);
  }

  function blobFile(digest: string): string {
    const hex = digest.slice('sha256:'.length);
    return join(data, 'blobs', 'sha256', hex.slice(0, 2), hex);
  }

  it('I07: streams through while the folder cannot be written, says so, and stores again when it can', async () => {
    await getWhole(newBlob());
    await rename(join(data, 'spool'), join(data, 'spool.away'));
    await writeFile(join(data, 'spool'), '');
    for (let n = 0; n < 3; n += 1) assert.match(await getWhole(newBlob()), /detail=not-stored/);
    const { status, text } = await ready();
    assert.equal(status, 503);
    assert.match(text, /ENOTDIR|EEXIST/);
    assert.equal(await proxy.metric('entrepot_store_faulty'), 1);
    assert.ok((await proxy.metric('entrepot_faults_total{code="store",source="internal"}')) > 0);
    await rm(join(data, 'spool'));
    await mkdir(join(data, 'spool'));
    // Nobody pulls: a proxy that is not ready is sent nobody.
    await untilReady();
    assert.equal(await proxy.metric('entrepot_store_faulty'), 0);
    await untilHit(newBlob());
  });

  it('I07: goes on while its folder is deleted again and again', async () => {
    const digests = [newBlob(), newBlob(), newBlob()];
    const over = new AbortController();
    const deleting = (async () => {
      for (let n = 0; n < 5; n += 1) {
        await delay(40);
        await rm(data, { recursive: true, force: true }).catch(() => {});
      }
      over.abort();
    })();
    const clients = digests.map(async (digest) => {
      while (!over.signal.aborted) {
        const answer = await get(digest);
        // A body that is cut in the middle is asked for again; a whole one is right.
        if (answer.complete && answer.status === 200) assert.equal(digestText(answer.body), digest);
        else assert.equal(answer.complete && answer.status < 500, false);
      }
    });
    await Promise.all([deleting, ...clients]);
    for (const digest of digests) await untilHit(digest);
    await untilReady();
    while (!(await stat(join(data, 'VERSION')).catch(() => undefined))) await delay(20);
  });

  const losses: [string, (file: string) => Promise<void>][] = [
    ['deleted', (file) => rm(file)],
    ['zeroed', async (file) => writeFile(file, Buffer.alloc((await stat(file)).size))],
    ['cut', (file) => truncate(file, 5_000)],
  ];
  for (const [what, lose] of losses) {
    it(`I10: serves from disk on while the index is ${what} under it, and has it again without a restart`, async () => {
      registry.content.addImage('a', 'v1');
      const digest = newBlob();
      const pull = { ...proxy.way, authority: registry.authority, repository: 'a', reference: 'v1' } as const;
      await pullImage({ ...pull, style: 'docker' });
      await untilHit(digest);
      const index = join(data, 'index.v1.sqlite');
      const { ino } = await stat(index);
      await lose(index);
      registry.forget();
      for (let n = 0; n < 5; n += 1) assert.match(await getWhole(digest), /; hit/);
      await pullImage({ ...pull, style: 'containerd' });
      assert.equal(registry.hits({ kind: 'blob', method: 'GET', own: false }), 0);
      await untilHit(newBlob());
      while ((await stat(index).catch(() => undefined))?.ino === ino) await delay(50);
      await untilReady();
      proxy = await proxy.restart();
      registry.forget();
      await pullImage({ ...pull, ...proxy.way, style: 'podman' });
      assert.equal(registry.hits({ kind: 'blob', method: 'GET', own: false }), 0);
    });
  }

  it('I08: breaks the connection at a chunk that is damaged; the retry has the right bytes, and the file is healed', async () => {
    const digest = newBlob();
    await untilHit(digest);
    proxy = await proxy.restart();
    const file = await open(blobFile(digest), 'r+');
    await file.write(Buffer.of(0x55, 0xaa), 0, 2, SIZE - 100_000);
    await file.close();
    registry.forget();
    const broken = await get(digest);
    assert.equal(broken.complete, false);
    assert.ok(broken.body.length < SIZE);
    assert.ok(broken.body.equals(seededBytes(SIZE, `fault ${seeds}`).subarray(0, broken.body.length)));
    assert.doesNotMatch(await getWhole(digest), /; hit/);
    await untilHit(digest);
    assert.equal(registry.hits({ kind: 'blob', method: 'GET', reference: digest, own: false }), 1);
    assert.equal((await readdir(join(data, 'quarantine'))).length, 1);
    assert.ok((await proxy.metric('entrepot_faults_total{code="content-damaged",source="internal"}')) > 0);
    assert.equal((await ready()).status, 200);
  });

  it('I15: says at the start what is wrong with a folder that cannot be used', async () => {
    await writeFile(join(proxy.folder, 'file'), '');
    await assert.rejects(
      startProxy({ registries: [registry], flags: { 'data-dir': join(proxy.folder, 'file', 'x') } }),
      {
        code: 'store',
        message: /a part of the path is a file.*--data-dir/,
      },
    );
  });
});
