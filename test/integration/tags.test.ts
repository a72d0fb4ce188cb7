import assert from 'node:assert/strict';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.js';
import { type ProxyRequest, proxyGet } from '../support/pull.js';
import { CLIENT_STYLES, pullImage } from '../support/pull-image.js';
import type { TestImage } from '../support/registry-content.js';
import { summary } from '../support/registry-log.js';
import { startProxy, type TestProxy } from '../support/start-proxy.js';

/*
 * Tags are live.
 *
 * A tag is asked of its registry at each request, with the client's own headers; nothing that was true a moment ago is
 * given for it. What stands in for the client's GET is a HEAD, and only where the answer names a digest that is
 * stored, readable by this client, and of a type that its Accept takes. In all other cases the client's own GET goes
 * up and it sees the registry's own answer. A digest that the registry merely claims is never believed.
 */

const ALL = 'application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json';

describe('integration/tags', () => {
  let registry: FakeRegistry;
  let proxy: TestProxy;
  let image: TestImage;
  let request: ProxyRequest;

  beforeEach(async () => {
    registry = await startFakeRegistry();
    image = registry.content.addImage('a', 'v1');
    proxy = await startProxy({ registries: [registry] });
    const path = '/v2/a/manifests/v1';
    request = { ...proxy.way, authority: registry.authority, path, headers: ['Accept', ALL] };
  });
  afterEach(async () => {
    await proxy?.close();
    await registry?.close();
  });

  function upstream(): string[] {
    return registry.find({ own: false }).map(summary);
  }

  for (const style of CLIENT_STYLES) {
    it(`shows ${style} a moved tag at its next pull, and back again from disk (G10)`, async () => {
      const pull = { ...proxy.way, authority: registry.authority, repository: 'a', reference: 'v1', style };
      assert.equal((await pullImage(pull)).digest, image.digest);
      const moved = registry.content.addImage('a', 'v1', { label: 'moved' });
      assert.equal((await pullImage(pull)).digest, moved.digest);
      registry.content.moveTag('a', 'v1', image.digest);
      registry.forget();
      assert.equal((await pullImage(pull)).digest, image.digest);
      assert.equal(registry.hits({ kind: 'blob', own: false }), 0);
    });
  }

  it('answers a repeated GET by one HEAD, with what the registry says of its limit', async () => {
    await proxyGet(request);
    registry.forget();
    registry.misbehave({ kind: 'manifest' }, { setHeaders: { 'ratelimit-remaining': '76;w=21600' } });
    const answer = await proxyGet(request);
    assert.deepEqual(upstream(), ['HEAD manifest v1']);
    assert.deepEqual(answer.body, image.bytes);
    assert.equal(answer.header('content-type'), image.mediaType);
    assert.equal(answer.header('docker-content-digest'), image.digest);
    assert.equal(answer.header('etag'), `"${image.digest}"`);
    assert.equal(answer.header('ratelimit-remaining'), '76;w=21600');
    assert.equal(answer.header('cache-status'), 'entrepot; hit; detail=resolved');
  });

  it('sends every Accept line of the client upstream', async () => {
    await proxyGet(request);
    registry.forget();
    await proxyGet({ ...request, headers: ['Accept', 'a/b', 'accept', ALL, 'ACCEPT', 'c/d;q=0.1'] });
    const [sent] = registry.find({ kind: 'manifest', own: false });
    const lines = sent?.headers.filter((_, i, all) => i % 2 === 1 && /^accept$/i.test(all[i - 1] ?? ''));
    assert.deepEqual(lines, ['a/b', ALL, 'c/d;q=0.1']);
  });

  for (const status of [401, 403, 404, 405, 501]) {
    it(`falls back to the client's own GET where HEAD gets ${status}`, async () => {
      await proxyGet(request);
      registry.forget();
      registry.misbehave({ kind: 'manifest', method: 'HEAD' }, { status });
      const answer = await proxyGet(request);
      assert.deepEqual(upstream(), ['HEAD manifest v1', 'GET manifest v1']);
      assert.deepEqual(answer.body, image.bytes);
    });
  }

  for (const [what, how] of [
    ['no digest', { dropHeaders: ['docker-content-digest', 'etag'] }],
    ['another digest', { setHeaders: { 'Docker-Content-Digest': `sha256:${'1'.repeat(64)}` } }],
    ['a digest that is none', { setHeaders: { 'Docker-Content-Digest': 'sha256:xyz' } }],
    ['another length', { contentLength: 5 }],
    [
      'a page of a captive portal',
      { setHeaders: { 'Content-Type': 'text/html', 'Docker-Content-Digest': '' }, contentLength: 99 },
    ],
  ] as const) {
    it(`falls back to the client's own GET where HEAD gives ${what}`, async () => {
      await proxyGet(request);
      registry.forget();
      registry.misbehave({ kind: 'manifest', method: 'HEAD' }, how);
      const answer = await proxyGet(request);
      assert.equal(answer.status, 200);
      assert.deepEqual(answer.body, image.bytes);
      assert.equal(registry.hits({ kind: 'manifest', method: 'GET', own: false }), 1);
    });
  }

  it('believes the bytes and not the digest that a GET claims (G02)', async () => {
    const victim = registry.content.addImage('b', 'v1');
    const evil = registry.content.addImage('a', 'evil');
    registry.misbehave({ reference: 'evil' }, { setHeaders: { 'Docker-Content-Digest': victim.digest } });
    const answer = await proxyGet({ ...request, path: '/v2/a/manifests/evil' });
    assert.deepEqual(answer.body, evil.bytes);
    const right = await proxyGet({ ...request, path: `/v2/b/manifests/${victim.digest}` });
    assert.deepEqual(right.body, victim.bytes);
    const wrong = await proxyGet({ ...request, path: `/v2/a/manifests/${victim.digest}` });
    assert.equal(wrong.status, 404);
  });

  it('gives no index to a client that does not take one (G11, W10)', async () => {
    const index = registry.content.addIndex('a', 'multi', [image]);
    const path = '/v2/a/manifests/multi';
    assert.deepEqual((await proxyGet({ ...request, path })).body, index.bytes);
    registry.misbehave(
      { reference: 'multi' },
      { body: image.bytes, setHeaders: { 'Content-Type': image.mediaType, 'Docker-Content-Digest': image.digest } },
    );
    const narrow = await proxyGet({
      ...request,
      path,
      headers: ['Accept', 'application/vnd.oci.image.manifest.v1+json'],
    });
    assert.deepEqual(narrow.body, image.bytes);
    const byDigest = { ...request, path: `/v2/a/manifests/${index.digest}` };
    registry.forget();
    await proxyGet({ ...byDigest, headers: ['Accept', 'application/vnd.oci.image.manifest.v1+json'] });
    assert.equal(registry.hits({ kind: 'manifest', method: 'GET', own: false }), 1);
  });

  it('asks the registry where a client says not what it takes', async () => {
    await proxyGet(request);
    registry.forget();
    await proxyGet({ ...request, headers: [] });
    assert.equal(registry.hits({ kind: 'manifest', method: 'GET', own: false }), 1);
  });

  it('passes on that a tag is gone (G10)', async () => {
    await proxyGet(request);
    registry.content.repository('a').tags.delete('v1');
    const answer = await proxyGet(request);
    assert.equal(answer.status, 404);
    assert.match(answer.body.toString(), /MANIFEST_UNKNOWN/);
  });

  it('makes one HEAD of equal ones at the same time', async () => {
    await proxyGet(request);
    registry.forget();
    const rule = registry.misbehave({ kind: 'manifest', method: 'HEAD' }, { stall: 'head' });
    const first = proxyGet(request);
    await rule.stalled();
    const head = { ...request, method: 'HEAD', headers: ['Accept', ALL.split(', ').toReversed().join(', ')] };
    const others = [proxyGet(head), proxyGet(request)];
    // The others have arrived when a request behind them, on a connection that was opened later, has been answered.
    await proxyGet({ ...request, path: '/v2/' });
    rule.release();
    assert.deepEqual((await first).body, image.bytes);
    for (const other of await Promise.all(others)) assert.equal(other.status, 200);
    assert.ok(registry.hits({ kind: 'manifest', method: 'HEAD', own: false }) <= 3);
    assert.equal(registry.hits({ kind: 'manifest', method: 'GET', own: false }), 0);
  });

  it('passes a HEAD for content on while the registry answers', async () => {
    await proxyGet(request);
    await proxyGet({ ...request, path: `/v2/a/blobs/${image.config.digest}` });
    registry.forget();
    const manifest = await proxyGet({ ...request, method: 'HEAD', path: `/v2/a/manifests/${image.digest}` });
    assert.equal(manifest.header('content-length'), String(image.bytes.length));
    const blob = await proxyGet({ ...request, method: 'HEAD', path: `/v2/a/blobs/${image.config.digest}` });
    assert.equal(blob.header('docker-content-digest'), image.config.digest);
    const gone = await proxyGet({ ...request, method: 'HEAD', path: `/v2/a/blobs/sha256:${'2'.repeat(64)}` });
    assert.equal(gone.status, 404);
    assert.equal(registry.hits({ method: 'HEAD', own: false }), 3);
  });

  it('keeps and gives what has a sha512 digest (G09)', async () => {
    const long = registry.content.addImage('a', 'long', { algorithm: 'sha512' });
    const wanted = [`manifests/${long.digest}`, ...long.layers.map((layer) => `blobs/${layer.digest}`)];
    for (const what of wanted) {
      const cold = await proxyGet({ ...request, path: `/v2/a/${what}` });
      assert.equal(cold.status, 200, what);
      await proxy.settled();
      const warm = await proxyGet({ ...request, path: `/v2/a/${what}` });
      assert.match(warm.header('cache-status') ?? '', /entrepot; hit/, what);
      assert.deepEqual(warm.body, cold.body);
    }
  });

  it('forwards what is no digest that it can check, and keeps nothing of it (G09)', async () => {
    const digest = image.layers[0]?.digest ?? '';
    for (const path of [
      `/v2/a/blobs/${digest.toUpperCase()}`,
      `/v2/a/blobs/${digest}?token=x`,
      `/v2/a/manifests/v1?x=1`,
    ]) {
      const first = await proxyGet({ ...request, path });
      const second = await proxyGet({ ...request, path });
      assert.equal(first.status, second.status);
      assert.match(second.header('cache-status') ?? '', /fwd=bypass/);
    }
    assert.equal(await proxy.metric('entrepot_store_entries'), 0);
  });
});
