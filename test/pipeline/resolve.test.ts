import assert from 'node:assert/strict';
import { ProxyError } from '../../src/errors.js';
import type { Digest } from '../../src/oci/digest.js';
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.js';
import { resolveTag } from '../../src/pipeline/resolve.js';
import { canonicalRegistry } from '../../src/registries/aliases.js';
import type { Misbehaviour } from '../support/registry-answer.js';
import type { TestImage } from '../support/registry-content.js';
import { openStage, type Stage } from './stage.js';

const HEAD = { kind: 'manifest', method: 'HEAD', own: false } as const;

describe('pipeline/resolve', () => {
  let stage: Stage;
  let image: TestImage;

  beforeEach(async () => {
    stage = await openStage();
    image = stage.registry.content.addImage('team/app', 'v1');
    await get();
    await stage.context.publicProofs.idle();
    stage.registry.forget();
  });
  afterEach(async () => {
    await stage.context.publicProofs.idle();
    await stage.close();
  });

  async function get(
    headers: readonly string[] = [],
    accept = `${OCI_MANIFEST}, ${OCI_INDEX}`,
    path = '/v2/team/app/manifests/v1',
  ) {
    const visit = stage.visit({ path, headers: ['Accept', accept, ...headers] });
    await resolveTag(visit);
    return visit.exchange.reply;
  }

  it('asks by HEAD where the tag stands, and gives what is held', async () => {
    stage.registry.misbehave(HEAD, { setHeaders: { 'RateLimit-Remaining': '76;w=21600', 'Set-Cookie': 'a=b' } });
    const reply = await get(['Cookie', 'somebody']);
    assert.deepEqual([reply.status, reply.text], [200, image.bytes.toString('latin1')]);
    assert.equal(reply.header('Cache-Status'), 'entrepot; hit; detail=resolved');
    assert.deepEqual([reply.header('RateLimit-Remaining'), reply.header('Set-Cookie')], ['76;w=21600', undefined]);
    assert.deepEqual(stage.sent(), ['HEAD manifest']);
  });

  it('sees a tag that has moved at once', async () => {
    const moved = stage.registry.content.addImage('team/app', 'v1', { label: 'new' });
    assert.equal((await get()).text, moved.bytes.toString('latin1'));
    assert.deepEqual(stage.sent(), ['HEAD manifest', 'GET manifest']);
    assert.equal((await get()).header('Cache-Status'), 'entrepot; hit; detail=resolved');
  });

  it('sends the own GET straight away where nothing is held', async () => {
    stage.registry.content.addImage('team/app', 'v2');
    const reply = await get([], OCI_MANIFEST, '/v2/team/app/manifests/v2');
    assert.equal(reply.header('Cache-Status'), 'entrepot; fwd=request; stored');
    assert.deepEqual(stage.sent(), ['GET manifest']);
  });

  const noAnswer: readonly [string, Misbehaviour][] = [
    ['is refused', { status: 405 }],
    ['names no digest', { dropHeaders: ['docker-content-digest'] }],
    ['names an odd digest', { setHeaders: { 'Docker-Content-Digest': 'md5:x' } }],
    ['gives no length', { contentLength: 'chunked' }],
    ['gives another length', { contentLength: 5000 }],
    ['breaks off', { hangUp: true }],
  ];
  for (const [what, how] of noAnswer) {
    it(`sends the own GET where the HEAD ${what}`, async () => {
      stage.registry.misbehave(HEAD, how);
      const reply = await get();
      assert.deepEqual([reply.status, reply.header('Cache-Status')], [200, 'entrepot; fwd=request; stored']);
      assert.equal(stage.registry.hits({ kind: 'manifest', method: 'GET', own: false }), 1);
    });
  }

  it('shows the client the own refusal of the registry', async () => {
    stage.registry.misbehave({ kind: 'manifest', own: false }, { status: 401, body: Buffer.from('log in') });
    const reply = await get();
    assert.deepEqual([reply.status, reply.text], [401, 'log in']);
  });

  it('does not ask an upstream twice that cannot be reached', async () => {
    const target = { ...stage.target, port: 1 };
    const scope = canonicalRegistry(target.host, target.port, target.scheme);
    await stage.context.facts.set('tag', `${scope} team/app:v1`, { digest: image.digest, at: 0 });
    const visit = stage.visit({ path: '/v2/team/app/manifests/v1', headers: ['Accept', OCI_MANIFEST], target });
    await assert.rejects(
      resolveTag(visit),
      (error) => error instanceof ProxyError && error.code === 'upstream-connect',
    );
    const { body } = await stage.context.metrics.render();
    const sent = body
      .split('\n')
      .filter((line) => line.startsWith('entrepot_upstream_requests') && line.includes(':1"'));
    assert.deepEqual(
      sent.map((line) => /method="(\w+)"/.exec(line)?.[1]),
      ['HEAD'],
    );
  });

  it('gives no type that the client does not take', async () => {
    await get([], OCI_INDEX);
    assert.deepEqual(stage.sent(), ['HEAD manifest', 'GET manifest']);
  });

  it('gives nothing that this repository has not delivered, whatever it claims', async () => {
    stage.registry.content.addManifest('evil/app', Buffer.from('{}'), OCI_MANIFEST, { tag: 'v1' });
    stage.registry.auth.setAccess('team/app', ['alice']);
    await stage.context.access.dropPublic(`${stage.registry.authority} team/app`, image.digest as never);
    stage.registry.misbehave(
      { repository: 'evil/app', method: 'HEAD' },
      { setHeaders: { 'Docker-Content-Digest': image.digest }, contentLength: image.bytes.length },
    );
    for (let i = 0; i < 2; i += 1) {
      const reply = await get(['Cookie', 'x'], OCI_MANIFEST, '/v2/evil/app/manifests/v1');
      assert.equal(reply.text, '{}');
    }
  });

  for (const status of [401, 403, 404]) {
    it(`gives nothing that the registry has just refused (${status}), though no pulls are left`, async () => {
      stage.registry.misbehave(HEAD, { status });
      stage.registry.misbehave({ kind: 'manifest', method: 'GET', own: false }, { status: 429 });
      assert.equal((await get(['Authorization', 'Bearer mallory'])).status, 429);
    });
  }

  async function age(digest: string): Promise<void> {
    const { scope } = stage.visit({ path: '/v2/team/app/manifests/v1' });
    await stage.context.facts.set('public', `${scope} ${digest}`, { provenAt: Date.now() - 7_200_000, depth: 0 });
  }

  it('asks as a stranger before an old proof counts for a client that the registry only holds back', async () => {
    await age(image.digest);
    stage.registry.misbehave({ own: false }, { status: 429 });
    assert.equal(
      (await get(['Authorization', 'Bearer mallory'])).header('Cache-Status'),
      'entrepot; fwd=stale; detail=public',
    );
    await age(image.digest);
    stage.registry.auth.setAccess('team/app', ['alice']);
    assert.equal((await get(['Authorization', 'Bearer mallory'])).status, 429);
  });

  it('gives what an old proof says to be public where strangers get no answer either', async () => {
    await age(image.digest);
    stage.registry.misbehave({}, { status: 429 });
    assert.equal(
      (await get(['Authorization', 'Bearer mallory'])).header('Cache-Status'),
      'entrepot; fwd=stale; detail=public',
    );
  });

  it('hides nothing because of a tag that a client has made up', async () => {
    const { access, offlineTokens } = stage.context;
    const { scope } = stage.visit({ path: '/v2/team/app/manifests/v1' });
    const headers = ['Accept', OCI_MANIFEST, 'Authorization', `Bearer ${offlineTokens.issue()}`];
    for (const reference of ['made-up', `sha256:${'0'.repeat(64)}`]) {
      const asked = { path: `/v2/team/app/manifests/${reference}`, headers };
      assert.equal((await stage.ask({ ...asked, method: 'HEAD' })).status, 404);
      assert.equal((await stage.ask(asked)).status, 404);
      assert.equal(await access.isPublic(scope, image.digest as Digest), true, reference);
    }
  });
});
