import assert from 'node:assert/strict';
import { openStage } from '../pipeline/stage.js';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.js';
import { type ProxyAnswer, proxyGet } from '../support/pull.js';
import { pullImage } from '../support/pull-image.js';
import type { TestImage } from '../support/registry-content.js';
import { startProxy, type TestProxy } from '../support/start-proxy.js';

/*
 * What a fleet costs its registry.
 *
 * Registries count GETs of manifests as pulls, and some count every request. Of what is held, no node costs a pull; of
 * what is not, all nodes together cost one. Nodes that ask for the same tag at the same moment are asked for once, and
 * where each has a credential of its own, once more in nobody's name. A registry that says 429 is left alone for as
 * long as it says.
 */

const ALL = 'application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json';

describe('integration/rate-limits', () => {
  let registry: FakeRegistry;
  let proxy: TestProxy;
  let image: TestImage;

  beforeEach(async () => {
    registry = await startFakeRegistry();
    image = registry.content.addImage('library/app', 'v1');
    proxy = await startProxy({ registries: [registry] });
  });
  afterEach(async () => {
    await proxy?.close();
    await registry?.close();
  });

  function get(reference: string, headers: readonly string[] = [], method = 'GET'): Promise<ProxyAnswer> {
    const path = `/v2/library/app/manifests/${reference}`;
    return proxyGet({
      ...proxy.way,
      authority: registry.authority,
      path,
      method,
      headers: ['Accept', ALL, ...headers],
    });
  }

  async function fleetPulls(nodes: number): Promise<void> {
    const place = { ...proxy.way, authority: registry.authority, repository: 'library/app', reference: 'v1' };
    const held = new Set(image.layers.map(({ digest }) => digest));
    const pulls = Array.from({ length: nodes }, () => pullImage({ ...place, style: 'podman', held }));
    for (const pulled of await Promise.all(pulls)) assert.equal(pulled.digest, image.digest);
  }

  const counted = { kind: 'manifest', method: 'GET' } as const;

  it('costs no pull when a hundred nodes pull a tag that is held', async function () {
    this.timeout(60_000);
    await fleetPulls(1);
    registry.forget();
    await fleetPulls(100);
    assert.equal(registry.hits(counted), 0);
    assert.ok(registry.hits({ kind: 'manifest', method: 'HEAD' }) <= 100);
  });

  it('costs one pull when a hundred nodes pull a tag that nobody has pulled before', async function () {
    this.timeout(60_000);
    const rule = registry.misbehave(counted, { stall: 'head' });
    const fleet = fleetPulls(100);
    await rule.stalled();
    rule.release();
    await fleet;
    assert.equal(registry.hits(counted), 1);
  });

  it('asks forty times when 500 nodes, each with a token of its own, ask for 20 public tags at one moment', async function () {
    this.timeout(60_000);
    // The time in which this test starts its requests is no silence of the registry.
    await using stage = await openStage({ watch: { answerMs: 60_000, longAnswerMs: 60_000 } });
    const repositories = Array.from({ length: 20 }, (_, i) => `library/app${i}`);
    const digests = new Map<string, string>();
    for (const repository of repositories) {
      digests.set(repository, stage.registry.content.addImage(repository, 'v1', { label: repository }).digest);
      await stage.ask({ path: `/v2/${repository}/manifests/v1`, headers: ['Accept', ALL] });
    }
    await stage.context.publicProofs.idle();
    stage.registry.forget();
    const rule = stage.registry.misbehave({ kind: 'manifest', method: 'HEAD' }, { stall: 'head' });
    const nodes = Array.from({ length: 500 }, (_, node) => ['Accept', ALL, 'Authorization', `Bearer node-${node}`]);
    const asked = nodes.flatMap((headers) =>
      repositories.map(async (repository) => {
        const reply = await stage.ask({ path: `/v2/${repository}/manifests/v1`, headers });
        assert.equal(reply.header('Docker-Content-Digest'), digests.get(repository));
      }),
    );
    await rule.stalled(40);
    for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    rule.release();
    await Promise.all(asked);
    assert.equal(stage.registry.requests.length, 40);
    assert.equal(stage.registry.hits({ method: 'HEAD' }), 40);
    assert.equal(stage.registry.hits({ method: 'HEAD', authorized: false }), 20);
  });

  it('leaves a registry alone that says 429, and passes on what is left of the time (H05)', async () => {
    const rule = registry.misbehave(
      { server: 'registry', own: false },
      { status: 429, setHeaders: { 'Retry-After': '50' } },
    );
    for (let i = 0; i < 20; i += 1) {
      const answer = await get('v1', [], i % 2 === 0 ? 'GET' : 'HEAD');
      assert.equal(answer.status, 429);
      const seconds = Number(answer.header('retry-after'));
      assert.ok(seconds > 30 && seconds <= 50, String(seconds));
    }
    // The first GET held up pulls, the first HEAD held up everything.
    assert.equal(rule.uses, 2);
  });

  it('goes on giving what is public while the registry says 429', async () => {
    await get('v1');
    await registry.arrived({ own: true, kind: 'manifest', status: 200 });
    const rule = registry.misbehave(
      { server: 'registry', own: false },
      { status: 429, setHeaders: { 'Retry-After': '50' } },
    );
    for (let i = 0; i < 20; i += 1) {
      const answer = await get('v1', ['Authorization', 'Bearer somebody']);
      assert.equal(answer.header('cache-status'), 'entrepot; fwd=stale; detail=public');
    }
    assert.equal(rule.uses, 1);
  });

  it('shows how many pulls a registry says are left', async () => {
    registry.misbehave(
      { kind: 'manifest' },
      { setHeaders: { 'ratelimit-limit': '100;w=21600', 'ratelimit-remaining': '76;w=21600' } },
    );
    await get('v1');
    const name = `entrepot_ratelimit_remaining{registry="${registry.authority}"}`;
    assert.equal(await proxy.metric(name), 76);
  });

  it('asks about a tag once in the time of --tag-ttl, of those who may read it anyway', async () => {
    await get('v1');
    await registry.arrived({ own: true, kind: 'manifest', status: 200 });
    proxy = await proxy.restart({ 'tag-ttl': '1h' });
    await get('v1');
    registry.forget();
    for (const headers of [[], ['Authorization', 'Bearer somebody']]) {
      for (const method of ['GET', 'HEAD']) {
        const answer = await get('v1', headers, method);
        assert.equal(answer.status, 200);
        assert.match(answer.header('cache-status') ?? '', /^entrepot; hit; detail=(?:public|granted)$/);
        assert.equal(answer.header('docker-content-digest'), image.digest);
      }
    }
    assert.equal(registry.hits({ kind: 'manifest', own: false }), 0);
    await get('v1', ['Accept', 'application/json']);
    assert.equal(registry.hits({ kind: 'manifest', own: false }) > 0, true, 'other types may be another manifest');
  });

  it('asks about a private tag for each credential, whatever --tag-ttl says', async () => {
    await registry.close();
    registry = await startFakeRegistry({ auth: 'basic' });
    image = registry.content.addImage('library/app', 'v1');
    registry.auth.setAccess('library/app', ['alice']);
    await proxy.close();
    proxy = await startProxy({ registries: [registry], flags: { 'tag-ttl': '1h' } });
    const basic = (pair: string) => ['Authorization', `Basic ${Buffer.from(pair).toString('base64')}`];
    assert.equal((await get('v1', basic('alice:secret'))).status, 200);
    registry.forget();
    assert.match((await get('v1', basic('alice:secret'))).header('cache-status') ?? '', /hit; detail=granted/);
    assert.equal(registry.hits({ own: false }), 0);
    assert.equal((await get('v1', basic('bob:hunter2'))).status, 403);
    assert.equal((await get('v1')).status, 401);
  });
});
