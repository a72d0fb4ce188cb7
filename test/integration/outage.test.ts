import assert from 'node:assert/strict';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.js';
import { fetchToken, type ProxyAnswer, PullError, proxyGet } from '../support/pull.js';
import { CLIENT_STYLES, type ClientStyle, type PulledImage, pullImage } from '../support/pull-image.js';
import type { TestImage } from '../support/registry-content.js';
import { startProxy, type TestProxy } from '../support/start-proxy.js';

/*
 * An outage of the registry, its token server and its CDN.
 *
 * What the proxy holds and anybody may read, anybody gets: by tag and by digest, with the tag's last known digest and a
 * warning, without any setting of the client. What is private goes to nobody but a credential that the registry let in
 * a moment ago. A refusal is never an outage. As soon as the registry answers again, it is asked again.
 */

const ALL = 'application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json';
const ALICE = { user: 'alice', password: 'secret' };

describe('integration/outage', () => {
  let registry: FakeRegistry;
  let proxy: TestProxy;
  let image: TestImage;
  let secret: TestImage;

  beforeEach(async () => {
    registry = await startFakeRegistry({ auth: 'token', delivery: { redirect: 307 } });
    image = registry.content.addImage('library/app', 'v1');
    secret = registry.content.addImage('team/secret', 'v1');
    registry.auth.setAccess('team/secret', ['alice']);
    proxy = await startProxy({ registries: [registry] });
  });
  afterEach(async () => {
    await proxy?.close();
    await registry?.close();
  });

  function pull(
    style: ClientStyle,
    reference: string,
    repository = 'library/app',
    credential?: typeof ALICE,
  ): Promise<PulledImage> {
    const place = { ...proxy.way, authority: registry.authority, repository, reference, style };
    return pullImage(credential ? { ...place, credential } : place);
  }

  function get(path: string, headers: readonly string[] = [], method = 'GET'): Promise<ProxyAnswer> {
    return proxyGet({
      ...proxy.way,
      authority: registry.authority,
      path,
      method,
      headers: ['Accept', ALL, ...headers],
    });
  }

  /** Everything is in the store, and the registry has told the proxy what is public. */
  async function warm(): Promise<void> {
    await pull('podman', 'v1');
    await pull('podman', 'v1', 'team/secret', ALICE);
    await registry.arrived({ own: true, kind: 'manifest', repository: 'library/app', status: 200 });
    await registry.arrived({ own: true, kind: 'manifest', repository: 'team/secret' });
    await proxy.settled();
    while ((await get(`/v2/library/app/blobs/${image.config.digest}`)).status !== 200);
    registry.forget();
  }

  for (const how of ['refuse', 'silent'] as const) {
    for (const style of CLIENT_STYLES) {
      it(`gives ${style} what is public, by tag and by digest, where all is gone (${how}), also after a restart`, async () => {
        await warm();
        proxy = await proxy.restart();
        await registry.halt(how);
        const startedAt = performance.now();
        assert.equal((await pull(style, 'v1')).digest, image.digest);
        // Two to three seconds where the machine is idle; a time limit of an upstream would be thirty.
        assert.ok(performance.now() - startedAt < 15_000, 'the first pull, which finds out');
        assert.equal((await pull(style, image.digest)).digest, image.digest);
      });
    }
  }

  it('says that it is the last known digest', async () => {
    await warm();
    await registry.halt('refuse');
    for (const method of ['GET', 'HEAD']) {
      const answer = await get('/v2/library/app/manifests/v1', [], method);
      assert.equal(answer.status, 200);
      assert.equal(answer.header('cache-status'), 'entrepot; fwd=stale; detail=public');
      assert.match(answer.header('warning') ?? '', /^299 entrepot "/);
      assert.equal(answer.header('docker-content-digest'), image.digest);
      assert.equal(answer.header('content-length'), String(image.bytes.length));
    }
  });

  it('gives nothing of what is private, in whatever way it is asked for (E09)', async () => {
    await warm();
    proxy = await proxy.restart();
    await registry.halt('refuse');
    for (const style of CLIENT_STYLES) {
      for (const credential of [undefined, ALICE]) {
        await assert.rejects(pull(style, 'v1', 'team/secret', credential), PullError);
        await assert.rejects(pull(style, secret.digest, 'team/secret', credential), PullError);
      }
    }
  });

  it('gives what is private to the very credential that was let in a moment ago, and no longer than that was for', async () => {
    await warm();
    proxy = await proxy.restart({ 'grant-ttl': '1h' });
    const token = await tokenOf(ALICE);
    const path = '/v2/team/secret/manifests/v1';
    assert.equal((await get(path, ['Authorization', token])).status, 200);
    await registry.halt('refuse');
    const answer = await get(path, ['Authorization', token]);
    assert.deepEqual([answer.status, answer.header('cache-status')], [200, 'entrepot; fwd=stale; detail=granted']);
    assert.equal((await get(`/v2/team/secret/blobs/${secret.config.digest}`, ['Authorization', token])).status, 200);
    for (const other of [[], ['Authorization', `${token}x`], ['Authorization', await offlineToken()]]) {
      assert.ok((await get(path, other)).status >= 500);
    }
    proxy = await proxy.restart({ 'grant-ttl': '0s' });
    assert.ok((await get(path, ['Authorization', token])).status >= 500);
  });

  async function tokenOf(who: typeof ALICE): Promise<string> {
    const refused = await get('/v2/team/secret/manifests/v1');
    return fetchToken(proxy.way, refused.header('www-authenticate') ?? '', 'repository:team/secret:pull', who);
  }

  async function offlineToken(): Promise<string> {
    const refused = await get('/v2/');
    return fetchToken(proxy.way, refused.header('www-authenticate') ?? '', 'repository:team/secret:pull', ALICE);
  }

  for (const [what, how] of [
    ['has a fault (500)', { status: 500 }],
    ['is overloaded (503)', { status: 503 }],
    ['has had enough (429)', { status: 429, setHeaders: { 'Retry-After': '60' } }],
    ['hangs up', { hangUp: true }],
    ['sends no head', { stall: 'head' }],
  ] as const) {
    it(`gives the last known digest where the registry ${what}, and asks again when it has recovered (H04, H05, H06)`, async function () {
      this.timeout(30_000);
      await warm();
      const rules = [registry.misbehave({ server: 'registry' }, how), registry.misbehave({ server: 'token' }, how)];
      const answer = await get('/v2/library/app/manifests/v1', ['Authorization', 'Bearer old']);
      assert.equal(answer.header('cache-status'), 'entrepot; fwd=stale; detail=public');
      assert.deepEqual(answer.body, image.bytes);
      for (const rule of rules) rule.remove();
      const moved = registry.content.addImage('library/app', 'v1', { label: 'moved' });
      // A 429 holds for whoever got it.
      const token = await fetchToken(proxy.way, challenge(), 'repository:library/app:pull');
      const recoveredAt = performance.now();
      for (;;) {
        const live = await get('/v2/library/app/manifests/v1', ['Authorization', token]);
        if (live.header('docker-content-digest') === moved.digest) break;
        assert.ok(performance.now() - recoveredAt < 20_000, `${live.status} ${live.header('cache-status')}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    });
  }

  function challenge(): string {
    return `Bearer realm="${registry.auth.realm}",service="${registry.auth.service}"`;
  }

  for (const status of [401, 403, 404]) {
    it(`never takes ${status} for an outage`, async () => {
      await warm();
      registry.misbehave({ server: 'registry' }, { status });
      for (const method of ['GET', 'HEAD']) {
        const answer = await get('/v2/library/app/manifests/v1', ['Authorization', 'Bearer old'], method);
        assert.equal(answer.status, status);
      }
    });
  }

  it('takes no certificate that is not good for an outage (C03)', async () => {
    await warm();
    proxy = await proxy.restart({ 'upstream-ca': '' });
    assert.equal((await get('/v2/library/app/manifests/v1')).status, 502);
  });

  it('counts a registry as away for strangers where its token server alone is gone', async () => {
    await warm();
    proxy = await proxy.restart();
    await registry.halt('refuse', 'token');
    for (const style of CLIENT_STYLES) assert.equal((await pull(style, 'v1')).digest, image.digest);
    await assert.rejects(pull('podman', 'v1', 'team/secret', ALICE));
  });

  it('forgets that an image was public when the registry no longer shows it to a stranger (E16)', async () => {
    await warm();
    registry.auth.setAccess('library/app', ['alice']);
    proxy = await proxy.restart({ 'public-ttl': '0s' });
    registry.forget();
    await pull('podman', 'v1', 'library/app', ALICE);
    await registry.arrived({ own: true, kind: 'manifest', repository: 'library/app', status: 401 });
    await registry.arrived({ own: true, kind: 'token' });
    await registry.halt('refuse');
    for (const what of ['manifests/v1', `manifests/${image.digest}`, `blobs/${image.config.digest}`]) {
      await until(async () => (await get(`/v2/library/app/${what}`)).status >= 500);
    }
  });

  async function until(isSo: () => Promise<boolean>): Promise<void> {
    while (!(await isSo()));
  }

  it('passes the error on with --outage fail', async () => {
    await warm();
    proxy = await proxy.restart({ outage: 'fail' });
    await registry.halt('refuse');
    for (const path of ['/v2/', '/v2/library/app/manifests/v1']) assert.equal((await get(path)).status, 502);
    await registry.resume();
    registry.misbehave({ server: 'registry' }, { status: 503, body: Buffer.from('down for maintenance') });
    const answer = await get('/v2/library/app/manifests/v1');
    assert.deepEqual([answer.status, answer.body.toString()], [503, 'down for maintenance']);
  });

  it('serves everything that it may, and sends nothing, with --offline', async () => {
    await warm();
    proxy = await proxy.restart({ offline: 'true' });
    registry.forget();
    for (const style of CLIENT_STYLES) {
      assert.equal((await pull(style, 'v1')).digest, image.digest);
      assert.equal((await pull(style, image.digest)).digest, image.digest);
    }
    const unknown = await get(`/v2/library/app/blobs/sha256:${'1'.repeat(64)}`);
    assert.equal(unknown.status, 504);
    assert.match(unknown.body.toString(), /the proxy is offline \(--offline\)/);
    await assert.rejects(fetchToken(proxy.way, challenge(), 'repository:library/app:pull'));
    assert.equal(registry.requests.length, 0);
    assert.equal(registry.hits({}), 0);
  });
});
