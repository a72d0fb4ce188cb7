import assert from 'node:assert/strict';
import type { CacheStore } from '../../src/cache/contract.js';
import type { RecordedReply } from '../pipeline/recorded-reply.js';
import { openStage, type Stage } from '../pipeline/stage.js';
import { createMemoryStore } from '../support/memory-store.js';
import type { Misbehaviour } from '../support/registry-answer.js';
import { descriptorOf, seededBytes, type TestImage } from '../support/registry-content.js';

/*
 * Private images, row by row: what the registry was asked, and what the client got.
 *
 * The real pipeline in front of the fake registry; only disk and client are in memory, so that a test can put the clock
 * on and see what the store was asked.
 */

const ACCEPT = ['Accept', 'application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json'];
const GRANT_TTL_MS = 60_000;

function basic(user: string, password: string): string[] {
  return ['Authorization', `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`];
}

const ALICE = basic('alice', 'secret');
const BOB = basic('bob', 'hunter2');

/** A store that counts what it is asked. */
function watched(store: CacheStore): CacheStore & { readonly questions: string[] } {
  const questions: string[] = [];
  return {
    ...store,
    questions,
    lookup(digest) {
      questions.push(`lookup ${digest}`);
      return store.lookup(digest);
    },
    open(digest) {
      questions.push(`open ${digest}`);
      return store.open(digest);
    },
    readAll(digest, limit) {
      questions.push(`readAll ${digest}`);
      return store.readAll(digest, limit);
    },
  };
}

describe('threats/private images', () => {
  let stage: Stage;
  let image: TestImage;
  let layer: { readonly digest: string; readonly bytes: Buffer };
  let store: ReturnType<typeof watched>;

  beforeEach(async () => {
    store = watched(createMemoryStore());
    stage = await openStage({ auth: 'basic', store });
    stage.registry.auth.setAccess('team/app', ['alice']);
    image = stage.registry.content.addImage('team/app', 'v1');
    layer = image.layers[0] as typeof layer;
  });
  afterEach(() => stage.close());

  function get(what: string, headers: readonly string[], repository = 'team/app'): Promise<RecordedReply> {
    return stage.ask({ path: `/v2/${repository}/${what}`, headers: [...ACCEPT, ...headers] });
  }

  function blob(headers: readonly string[], repository = 'team/app'): Promise<RecordedReply> {
    return get(`blobs/${layer.digest}`, headers, repository);
  }

  /** Alice has pulled all of the image; nothing is running, and the registry's memory of it is gone. */
  async function alicePulls(): Promise<void> {
    for (const what of ['manifests/v1', ...[image.config, ...image.layers].map(({ digest }) => `blobs/${digest}`)]) {
      assert.equal((await get(what, ALICE)).status, 200, what);
    }
    while (stage.context.flights.size > 0) await new Promise((resolve) => setImmediate(resolve));
    await stage.context.publicProofs.idle();
    stage.registry.forget();
    store.questions.length = 0;
  }

  function assertHit(reply: RecordedReply, detail: RegExp): void {
    assert.equal(reply.status, 200);
    assert.ok(reply.body.equals(layer.bytes));
    assert.match(reply.header('cache-status') ?? '', detail);
  }

  /** Neither the bytes nor a sign of them. */
  function assertNothing(reply: RecordedReply): void {
    assert.notEqual(reply.status, 200);
    assert.equal(reply.body.includes(layer.bytes.subarray(0, 32)), false);
    assert.doesNotMatch(reply.header('cache-status') ?? '', /hit/);
  }

  it('does not ask the store before the registry has allowed the request, cached or not (E05, W8)', async () => {
    await alicePulls();
    stage.registry.auth.setAccess('public/app', 'public');
    stage.registry.content.addImage('public/app', 'v1', { label: 'public' });
    const unknown = `sha256:${'5'.repeat(64)}`;
    for (const digest of [layer.digest, unknown]) {
      for (const [repository, headers] of [
        ['team/app', BOB],
        ['team/app', []],
        ['public/app', BOB],
      ] as const) {
        for (const what of [`blobs/${digest}`, `manifests/${digest}`]) {
          stage.registry.forget();
          const reply = await get(what, headers, repository);
          assert.ok([401, 403, 404].includes(reply.status), `${reply.status}`);
          const asked = what.startsWith('blobs') ? ['HEAD blob', 'GET blob'] : ['HEAD manifest', 'GET manifest'];
          assert.deepEqual(stage.sent(), asked, `${repository}/${what}`);
        }
      }
    }
    assert.deepEqual(store.questions, []);
  });

  it('answers an outsider alike for what is cached and what is not (E05)', async () => {
    const absent = stage.registry.content.addBlob('team/app', seededBytes(layer.bytes.length, 'absent'));
    await alicePulls();
    const replies = [await blob(BOB), await get(`blobs/${absent.digest}`, BOB)];
    const [cached, uncached] = replies.map(({ status, headers, text }) => ({ status, headers, text }));
    assert.deepEqual(cached, uncached);
  });

  it('denies who was taken off the list at the end of the grant, and at once when the registry says so (E06, W4)', async () => {
    await alicePulls();
    stage.registry.auth.setAccess('team/app', []);
    assertHit(await blob(ALICE), /hit; detail=granted/);
    stage.advance(GRANT_TTL_MS);
    assert.equal((await blob(ALICE)).status, 403);
    stage.registry.auth.setAccess('team/app', ['alice']);
    assertHit(await blob(ALICE), /hit; detail=probed/);
    stage.registry.auth.setAccess('team/app', []);
    assert.equal((await get('manifests/v1', ALICE)).status, 403);
    assert.equal((await blob(ALICE)).status, 403, 'what the registry has just refused is not served on an older yes');
  });

  it('denies an old password at the end of its grant, and asks about a new one (E07)', async () => {
    await alicePulls();
    stage.registry.auth.users.set('alice', 'changed');
    assertHit(await blob(basic('alice', 'changed')), /hit; detail=probed/);
    assert.deepEqual(stage.sent(), ['HEAD blob']);
    assertHit(await blob(ALICE), /hit; detail=granted/);
    stage.advance(GRANT_TTL_MS);
    assert.equal((await blob(ALICE)).status, 401);
  });

  it('serves an expired token on for the life of its grant and no longer (E08)', async () => {
    await using tokens = await openStage({ auth: 'token' });
    const { auth, content } = tokens.registry;
    auth.setAccess('team/app', ['alice']);
    const { digest } = content.addBlob('team/app', layer.bytes);
    const answer = auth.answerToken('GET', '/token?scope=repository:team/app:pull', ALICE[1], Buffer.alloc(0));
    const { token } = JSON.parse(answer.body.toString()) as { token: string };
    const asked = { path: `/v2/team/app/blobs/${digest}`, headers: ['Authorization', `Bearer ${token}`] };
    assert.equal((await tokens.ask(asked)).status, 200);
    while (tokens.context.flights.size > 0) await new Promise((resolve) => setImmediate(resolve));
    auth.revokeTokens();
    assertHit(await tokens.ask(asked), /hit; detail=granted/);
    tokens.advance(GRANT_TTL_MS);
    const refused = await tokens.ask(asked);
    assert.equal(refused.status, 401);
    assert.match(refused.header('www-authenticate') ?? '', /^Bearer realm=/);
  });

  it('lets fifty in and keeps fifty out while the download runs, and none of them disturbs it (E13, W9)', async () => {
    const stalled = stage.registry.misbehave({ kind: 'blob', method: 'GET', authorized: true }, { stall: 20_000 }, 1);
    const first = blob(ALICE);
    await stalled.stalled();
    const insiders = Array.from({ length: 49 }, () => blob(ALICE));
    const outsiders = await Promise.all(Array.from({ length: 50 }, (_, i) => blob(i % 2 === 0 ? BOB : [])));
    for (const [i, reply] of outsiders.entries()) {
      assertNothing(reply);
      assert.equal(reply.status, i % 2 === 0 ? 403 : 401);
      assert.match(reply.text, i % 2 === 0 ? /DENIED/ : /UNAUTHORIZED/);
    }
    stalled.release();
    for (const reply of await Promise.all([first, ...insiders])) {
      assert.equal(reply.status, 200);
      assert.equal(reply.state, 'ended');
      assert.ok(reply.body.equals(layer.bytes));
    }
    const downloads = stage.registry.find({ kind: 'blob', method: 'GET', status: 200 });
    assert.equal(downloads.length, 1);
    assert.equal(downloads[0]?.outcome, 'complete');
  });

  const NO_YES: readonly (readonly [string, Misbehaviour])[] = [
    [
      'a page of a portal',
      { setHeaders: { 'Content-Type': 'text/html', 'Docker-Content-Digest': '' }, contentLength: 1234 },
    ],
    ['another length', { contentLength: 7 }],
    ['no length', { dropHeaders: ['content-length'], contentLength: 'chunked' }],
    ['another digest', { setHeaders: { 'Docker-Content-Digest': `sha256:${'1'.repeat(64)}` } }],
  ];
  for (const [what, how] of NO_YES) {
    it(`takes a HEAD 200 with ${what} for no yes (E10, W3)`, async () => {
      await alicePulls();
      stage.registry.misbehave({ kind: 'blob', method: 'HEAD' }, { status: 200, body: layer.bytes, ...how });
      const reply = await blob(BOB);
      assertNothing(reply);
      assert.equal(reply.status, 403);
      assert.deepEqual(stage.sent(), ['HEAD blob', 'GET blob']);
      stage.advance(GRANT_TTL_MS);
      const right = await blob(ALICE);
      assert.equal(right.status, 200);
      assert.ok(right.body.equals(layer.bytes));
    });
  }

  const HEADS: readonly (readonly [string, Misbehaviour])[] = [
    ['405', { status: 405 }],
    ['501', { status: 501 }],
    ['401, to everybody', { status: 401 }],
    ['200 without a length', { dropHeaders: ['content-length'], contentLength: 'chunked' }],
    ['a redirect', { status: 307, setHeaders: { Location: 'https://login.invalid/' } }],
  ];
  for (const [what, how] of HEADS) {
    for (const redirect of [0, 307] as const) {
      it(`asks for the first byte where HEAD gets ${what}${redirect ? ', and follows to where it is' : ''} (E11, W15)`, async () => {
        stage.registry.delivery = { redirect };
        await alicePulls();
        stage.advance(GRANT_TTL_MS);
        stage.registry.misbehave({ kind: 'blob', method: 'HEAD' }, how);
        assertHit(await blob(ALICE), /hit; detail=probed/);
        const bodies = stage.registry.find({ method: 'GET' }).reduce((sum, { status, sentBytes }) => {
          return sum + (status === 206 || status === 200 ? sentBytes : 0);
        }, 0);
        assert.equal(bodies, 1, 'one byte came from upstream');
        const stranger = await blob(BOB);
        assertNothing(stranger);
        assert.equal(stranger.status, 403);
      });
    }
  }

  it('never takes a redirect alone for a yes: single sign-on answers strangers with one (E11, W3)', async () => {
    await alicePulls();
    const login = { status: 307, setHeaders: { Location: '/login' } };
    stage.registry.misbehave({ kind: 'blob' }, login);
    stage.registry.misbehave({ path: /^\/login/ }, { status: 200, body: Buffer.from('<html>who are you?</html>') });
    for (const headers of [BOB, []]) {
      const reply = await blob(headers);
      assert.equal(reply.state, 'destroyed', 'the page is not the digest, so it never ends cleanly');
      assert.equal(reply.body.includes(layer.bytes.subarray(0, 32)), false);
      assert.doesNotMatch(reply.header('cache-status') ?? '', /hit/);
    }
  });

  for (const [what, own, foreign] of [
    ['a cookie', ['Cookie', 'session=alice'], ['Cookie', 'session=bob']],
    ['Private-Token', ['Private-Token', 'alice'], ['private-token', 'bob']],
    ['an API key of its own', ['X-JFrog-Art-Api', 'alice'], ['X-JFrog-Art-Api', 'bob']],
    ['a header that nobody knows', ['X-Who', 'alice'], ['X-Who', 'bob']],
  ] as const) {
    it(`takes ${what} for a credential (E14, W6)`, async () => {
      await alicePulls();
      assertHit(await blob([...ALICE, ...own]), /probed/);
      assertHit(await blob([...ALICE, ...own]), /granted/);
      stage.registry.auth.setAccess('team/app', []);
      assertNothing(await blob([...ALICE, ...foreign]));
      assertNothing(await blob([...ALICE, ...own, ...foreign]));
    });
  }

  it('keeps nothing of requests with a query, and other mirrors’ namespaces apart (E14, W6)', async () => {
    await alicePulls();
    for (const query of ['?token=alice', '?ns=a&token=b', '?ns=', '?x']) {
      const reply = await blob(ALICE, 'team/app').then(() => get(`blobs/${layer.digest}${query}`, ALICE));
      assert.match(reply.header('cache-status') ?? '', /fwd=bypass; detail=not-content/, query);
    }
    const first = await get(`blobs/${layer.digest}?ns=docker.io`, ALICE);
    assert.match(first.header('cache-status') ?? '', /fwd=uri-miss/, 'the namespace has not delivered yet');
    assert.deepEqual(
      stage.registry
        .find({ kind: 'blob' })
        .slice(-2)
        .map(({ path }) => path.split('?')[1]),
      ['ns=docker.io', 'ns=docker.io'],
    );
  });

  it('denies what its registry has deleted, and does not believe it again before it delivers (E16, W12)', async () => {
    await alicePulls();
    stage.advance(GRANT_TTL_MS);
    assertHit(await get(`blobs/${layer.digest}`, ALICE), /probed/);
    stage.advance(GRANT_TTL_MS);
    assert.equal((await get('manifests/v1', ALICE)).status, 200);
    stage.registry.content.repository('team/app').blobs.delete(layer.digest);
    // Whom the registry has just let in is told that it is gone: then it has delivered nothing any more.
    stage.registry.forget();
    const head = await stage.ask({ method: 'HEAD', path: `/v2/team/app/blobs/${layer.digest}`, headers: ALICE });
    assert.equal(head.status, 404);
    const yes = { status: 200, setHeaders: { 'Docker-Content-Digest': layer.digest } };
    const rule = stage.registry.misbehave({ kind: 'blob', method: 'HEAD' }, { ...yes, body: layer.bytes });
    assert.equal((await blob(ALICE)).status, 404);
    rule.remove();
    stage.registry.content.repository('team/app').blobs.add(layer.digest);
    assert.match((await blob(ALICE)).header('cache-status') ?? '', /uri-miss; stored/);
  });

  it('denies a repository that is made private, or handed to somebody else (E16)', async () => {
    stage.registry.auth.setAccess('team/app', 'public');
    await alicePulls();
    stage.registry.auth.setAccess('team/app', ['bob']);
    stage.advance(GRANT_TTL_MS);
    assert.equal((await blob(ALICE)).status, 403);
    assertHit(await blob(BOB), /probed/);
  });

  const DOUBTFUL: readonly (readonly [string, (own: object) => object | Buffer, string?])[] = [
    ['lists layers and manifests', (own) => ({ ...own, manifests: [] })],
    ['says that it is something else', (own) => ({ ...own, mediaType: 'application/vnd.oci.image.index.v1+json' })],
    ['spells a field twice', (own) => ({ ...own, Layers: [] })],
    ['is served as an index', (own) => own, 'application/vnd.oci.image.index.v1+json'],
    ['is larger than 4 MiB', (own) => ({ ...own, annotations: { padding: 'x'.repeat(4 * 1024 * 1024) } })],
  ];
  for (const [what, document, mediaType] of DOUBTFUL) {
    it(`derives no right from a manifest that ${what} (E17, W11)`, async () => {
      await alicePulls();
      stage.registry.auth.setAccess('team/app', ['alice', 'bob']);
      const type = 'application/vnd.oci.image.manifest.v1+json';
      const own = {
        schemaVersion: 2,
        mediaType: type,
        config: descriptorOf(image.config),
        layers: [descriptorOf({ ...layer, mediaType: 'x/y' })],
      };
      const { digest } = stage.registry.content.addManifest('team/app', document(own), mediaType ?? type, {
        tag: 'odd',
      });
      for (const reference of ['odd', digest]) assert.equal((await get(`manifests/${reference}`, BOB)).status, 200);
      stage.registry.auth.setAccess('team/app', ['alice']);
      assertNothing(await blob(BOB));
    });
  }

  it('derives the right from a manifest that leaves no doubt (E17)', async () => {
    await alicePulls();
    stage.registry.auth.setAccess('team/app', ['alice', 'bob']);
    assert.equal((await get('manifests/v1', BOB)).status, 200);
    stage.registry.forget();
    assertHit(await blob(BOB), /granted/);
    assert.deepEqual(stage.sent(), []);
  });

  it('asks once and remembers nothing for credentials that somebody makes up (E19, W16)', async () => {
    await alicePulls();
    for (let i = 0; i < 200; i += 1) {
      stage.registry.forget();
      assert.equal((await blob(['Authorization', `Bearer made-up-${i}`])).status, 401);
      assert.deepEqual(stage.sent(), ['HEAD blob', 'GET blob']);
    }
    assertHit(await blob(ALICE), /granted/);
  });

  it('lets a right for one digest be none for another of the same repository (W14)', async () => {
    await alicePulls();
    stage.registry.auth.setAccess('team/app', ['alice', 'bob']);
    assert.equal((await get(`blobs/${image.config.digest}`, BOB)).status, 200);
    stage.registry.misbehave({ reference: layer.digest }, { status: 403, body: Buffer.from('not this path') });
    const reply = await blob(BOB);
    assert.equal(reply.status, 403);
    assert.equal(reply.text, 'not this path');
  });

  it('gives the registry’s own answer when it cannot answer the question (W7)', async () => {
    await alicePulls();
    for (const [status, headers] of [
      [503, { 'Retry-After': '3' }],
      [500, {}],
      [429, { 'Retry-After': '17' }],
    ] as const) {
      const rule = stage.registry.misbehave(
        { kind: 'blob' },
        { status, setHeaders: headers, body: Buffer.from('busy') },
      );
      const reply = await blob(BOB);
      assertNothing(reply);
      assert.equal(reply.status, status);
      // Whoever was asked to wait is not asked again, not even for the words.
      assert.match(reply.text, status === 429 ? /TOOMANYREQUESTS/ : /^busy$/);
      assert.equal(reply.header('retry-after'), (headers as Record<string, string>)['Retry-After']);
      rule.remove();
    }
  });
});
