import assert from 'node:assert/strict';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.js';
import { type ProxyAnswer, PullError, proxyGet } from '../support/pull.js';
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
        assert.ok(performance.now() - startedAt < 3000, 'the first pull, which finds out');
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
});
