import assert from 'node:assert/strict';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.js';
import { type Credential, type ProxyAnswer, proxyGet } from '../support/pull.js';
import { pullImage } from '../support/pull-image.js';
import { digestText, seededBytes, type TestImage } from '../support/registry-content.js';
import { startProxy, type TestProxy } from '../support/start-proxy.js';
import { createTestAuthority } from '../support/test-certificates.js';

/*
 * Who may read what.
 *
 * Content is shared by digest, the right to read it is not. A stored digest is given to a credential in a repository
 * only where the registry lets this credential read it there, by a live or very recent answer, and where this very
 * repository has delivered its bytes before (or it is public). Everybody else gets the registry's own answer, byte for
 * byte. A registry that says yes to everything wins nothing: its yes is no delivery.
 */

const ALICE = { user: 'alice', password: 'secret' };
const BOB = { user: 'bob', password: 'hunter2' };
const ACCEPT = 'application/vnd.oci.image.manifest.v1+json';

function basic({ user, password }: Credential): string[] {
  return ['Authorization', `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`];
}

describe('integration/access', () => {
  const authority = createTestAuthority();
  let registry: FakeRegistry;
  let evil: FakeRegistry;
  let proxy: TestProxy;
  let image: TestImage;
  let layer: string;

  beforeEach(async () => {
    registry = await startFakeRegistry({ auth: 'basic', authority });
    evil = await startFakeRegistry({ authority });
    registry.auth.setAccess('team/app', ['alice']);
    image = registry.content.addImage('team/app', 'v1');
    layer = image.layers[0]?.digest ?? '';
    proxy = await startProxy({ registries: [registry, evil] });
  });
  afterEach(async () => {
    await proxy?.close();
    await evil?.close();
    await registry?.close();
  });

  function get(at: FakeRegistry, path: string, headers: readonly string[] = []): Promise<ProxyAnswer> {
    return proxyGet({ ...proxy.way, authority: at.authority, path, headers: ['Accept', ACCEPT, ...headers] });
  }

  async function aliceHasPulled(): Promise<void> {
    const request = { ...proxy.way, authority: registry.authority, repository: 'team/app', reference: 'v1' };
    await pullImage({ ...request, style: 'podman', credential: ALICE });
    await proxy.settled();
    const warm = await get(registry, `/v2/team/app/blobs/${layer}`, basic(ALICE));
    assert.match(warm.header('cache-status') ?? '', /entrepot; hit/);
    registry.forget();
  }

  const STRANGERS: readonly (readonly [string, readonly string[]])[] = [
    ['nobody (E01)', []],
    ['another user (E02)', basic(BOB)],
    ['the same user with a wrong password', basic({ ...ALICE, password: 'Secret' })],
    ['the same credential beside a cookie', [...basic(BOB), 'Cookie', 'user=alice']],
  ];
  for (const [who, headers] of STRANGERS) {
    it(`gives ${who} the registry's own refusal, for each piece of a private image`, async () => {
      await aliceHasPulled();
      for (const what of [
        `blobs/${layer}`,
        `blobs/${image.config.digest}`,
        `manifests/${image.digest}`,
        'manifests/v1',
      ]) {
        const path = `/v2/team/app/${what}`;
        const direct = await proxyGet({ ca: registry.ca, authority: registry.authority, path, headers });
        const answer = await get(registry, path, headers);
        assert.ok([401, 403].includes(answer.status), `${what}: ${answer.status}`);
        assert.equal(answer.status, direct.status);
        assert.deepEqual(answer.body, direct.body);
        assert.equal(answer.header('www-authenticate'), direct.header('www-authenticate'));
      }
      assert.equal((await get(registry, `/v2/team/app/blobs/${layer}`, basic(ALICE))).status, 200);
    });
  }

  it('shuts a user out who is taken off the list, as soon as the registry is asked', async () => {
    await aliceHasPulled();
    registry.auth.setAccess('team/app', ['bob']);
    const tag = await get(registry, '/v2/team/app/manifests/v1', basic(ALICE));
    assert.equal(tag.status, 403);
    for (const what of [`manifests/${image.digest}`, `blobs/${layer}`]) {
      assert.equal((await get(registry, `/v2/team/app/${what}`, basic(ALICE))).status, 403, what);
    }
  });

  it('lets a second user in from disk by one question to the registry', async () => {
    await aliceHasPulled();
    registry.auth.setAccess('team/app', ['alice', 'bob']);
    const answer = await get(registry, `/v2/team/app/blobs/${layer}`, basic(BOB));
    assert.match(answer.header('cache-status') ?? '', /entrepot; hit; detail=probed/);
    assert.equal(registry.hits({ method: 'GET', own: false }), 0);
    assert.equal(registry.hits({ method: 'HEAD', own: false }), 1);
  });

  it('does not give a private layer by way of another repository', async () => {
    await aliceHasPulled();
    registry.auth.setAccess('bob/app', ['bob']);
    registry.content.addImage('bob/app', 'v1', { label: 'bob' });
    assert.equal((await get(registry, `/v2/bob/app/blobs/${layer}`, basic(BOB))).status, 404);
    assert.equal((await get(registry, `/v2/bob/app/manifests/${image.digest}`, basic(BOB))).status, 404);
  });

  it('does not give a private layer by way of a repository that only claims to hold it (E04, W2)', async () => {
    await aliceHasPulled();
    registry.auth.setAccess('bob/app', ['bob']);
    registry.content.repository('bob/app');
    const size = String(image.layers[0]?.bytes.length);
    const yes = { status: 200, setHeaders: { 'Docker-Content-Digest': layer, 'Content-Length': size } };
    registry.misbehave({ method: 'HEAD', repository: 'bob/app' }, yes);
    const answer = await get(registry, `/v2/bob/app/blobs/${layer}`, basic(BOB));
    assert.equal(answer.status, 404);
  });

  it('does not give a private layer to an attacker’s manifest that lists it', async () => {
    await aliceHasPulled();
    registry.auth.setAccess('bob/app', ['bob']);
    const descriptor = {
      mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
      digest: layer,
      size: image.layers[0]?.bytes.length,
    };
    const document = { schemaVersion: 2, mediaType: ACCEPT, config: descriptor, layers: [descriptor] };
    registry.content.addManifest('bob/app', document, ACCEPT, { tag: 'trap' });
    assert.equal((await get(registry, '/v2/bob/app/manifests/trap', basic(BOB))).status, 200);
    assert.equal((await get(registry, `/v2/bob/app/blobs/${layer}`, basic(BOB))).status, 404);
  });

  for (const [what, method] of [
    ['HEAD', 'HEAD'],
    ['everything', undefined],
  ] as const) {
    it(`does not give a private layer to an evil host that says yes to ${what} (E03, W1)`, async () => {
      await aliceHasPulled();
      const { length } = image.layers[0]?.bytes ?? [];
      const body = seededBytes(length, 'evil');
      const yes = { status: 200, body, setHeaders: { 'Docker-Content-Digest': layer } };
      evil.misbehave({ server: 'registry', ...(method !== undefined && { method }) }, yes);
      for (let round = 0; round < 2; round += 1) {
        const answer = await get(evil, `/v2/team/app/blobs/${layer}`).catch(() => undefined);
        assert.ok(answer === undefined || !answer.complete || answer.status !== 200);
        assert.equal(answer?.body.includes(image.layers[0]?.bytes.subarray(0, 64) ?? 'x') ?? false, false);
      }
      const right = await get(registry, `/v2/team/app/blobs/${layer}`, basic(ALICE));
      assert.equal(digestText(right.body), layer);
    });
  }

  it('does not follow an evil host that redirects to itself (E03)', async () => {
    await aliceHasPulled();
    evil.misbehave(
      { kind: 'blob' },
      { status: 307, setHeaders: { Location: `https://${evil.cdnAuthority}/data/${layer}` } },
    );
    const answer = await get(evil, `/v2/team/app/blobs/${layer}`);
    assert.notEqual(answer.status, 200);
  });

  it('lets two repositories deliver the same layer once each, and keeps it once (E15)', async () => {
    await aliceHasPulled();
    registry.auth.setAccess('bob/app', ['bob']);
    registry.content.addBlob('bob/app', image.layers[0]?.bytes ?? Buffer.alloc(0));
    const entries = await proxy.metric('entrepot_store_entries');
    const path = `/v2/bob/app/blobs/${layer}`;
    const first = await get(registry, path, basic(BOB));
    assert.equal(digestText(first.body), layer);
    assert.equal(registry.hits({ kind: 'blob', method: 'GET', repository: 'bob/app', status: 200 }), 1);
    await proxy.settled();
    const second = await get(registry, path, basic(BOB));
    assert.match(second.header('cache-status') ?? '', /entrepot; hit/);
    assert.equal(await proxy.metric('entrepot_store_entries'), entries);
  });

  it('does not let a stranger ride along on a running download (E13, W9)', async () => {
    const rule = registry.misbehave({ kind: 'blob', method: 'GET', authorized: true }, { stall: 20_000 });
    const path = `/v2/team/app/blobs/${layer}`;
    const alice = get(registry, path, basic(ALICE));
    await rule.stalled();
    assert.equal((await get(registry, path)).status, 401);
    assert.equal((await get(registry, path, basic(BOB))).status, 403);
    rule.release();
    assert.equal(digestText((await alice).body), layer);
  });

  it('forgets every right at a restart, and keeps the content (E12)', async () => {
    await aliceHasPulled();
    proxy = await proxy.restart();
    assert.equal((await get(registry, `/v2/team/app/blobs/${layer}`)).status, 401);
    const answer = await get(registry, `/v2/team/app/blobs/${layer}`, basic(ALICE));
    assert.match(answer.header('cache-status') ?? '', /entrepot; hit; detail=probed/);
    assert.equal(registry.hits({ kind: 'blob', method: 'GET', status: 200 }), 0);
  });

  it('never gives private content while its registry is away (E09, W7)', async () => {
    await aliceHasPulled();
    await registry?.close();
    for (const headers of [[], basic(BOB)]) {
      const answer = await get(registry, `/v2/team/app/blobs/${layer}`, headers);
      assert.ok(answer.status === 502 || answer.status === 504, `${answer.status}`);
    }
  });

  it('refuses a request with two credentials', async () => {
    await aliceHasPulled();
    const answer = await get(registry, `/v2/team/app/blobs/${layer}`, [...basic(BOB), ...basic(ALICE)]);
    assert.equal(answer.status, 400);
  });

  it('refuses a request for another host than that of the tunnel', async () => {
    const headers = ['Host', evil.authority];
    assert.equal((await get(registry, '/v2/', headers)).status, 421);
    assert.equal(evil.requests.length, 0);
  });

  it('asks nobody with --access open', async () => {
    await aliceHasPulled();
    proxy = await proxy.restart({ access: 'open' });
    const { admin } = proxy.app;
    const ready = (await (await fetch(`http://${admin?.host}:${admin?.port}/readyz`)).json()) as { warnings: string[] };
    assert.ok(ready.warnings.some((warning) => warning.startsWith('Access is open')));
    const answer = await get(registry, `/v2/team/app/blobs/${layer}`);
    assert.equal(digestText(answer.body), layer);
    assert.equal(registry.hits({ kind: 'blob' }), 0);
  });
});
