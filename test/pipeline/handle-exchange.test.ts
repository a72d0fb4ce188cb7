import assert from 'node:assert/strict';
import { OCI_MANIFEST } from '../../src/oci/media-types.js';
import { createMemoryStore } from '../support/memory-store.js';
import { digestText, seededBytes, type TestImage } from '../support/registry-content.js';
import { type Asked, openStage, type Stage, type StageOptions } from './stage.js';

const ACCEPT = ['Accept', `${OCI_MANIFEST}, application/vnd.oci.image.index.v1+json`];
const ALICE = ['Authorization', `Basic ${Buffer.from('alice:secret').toString('base64')}`];
const BOB = ['Authorization', `Basic ${Buffer.from('bob:hunter2').toString('base64')}`];

describe('pipeline/handle-exchange', () => {
  let stage: Stage;
  let image: TestImage;

  async function open(options: StageOptions = {}): Promise<void> {
    stage = await openStage(options);
    image = stage.registry.content.addImage('team/app', 'v1');
  }

  afterEach(() => stage.close());

  const tag = (headers: readonly string[] = []): Asked => ({
    path: '/v2/team/app/manifests/v1',
    headers: [...ACCEPT, ...headers],
  });
  const manifest = (headers: readonly string[] = [], digest = image.digest): Asked => ({
    path: `/v2/team/app/manifests/${digest}`,
    headers: [...ACCEPT, ...headers],
  });
  const blob = (headers: readonly string[] = [], digest = image.layers[0]?.digest ?? ''): Asked => ({
    path: `/v2/team/app/blobs/${digest}`,
    headers,
  });

  /** Pulls the whole image, and waits until everything is stored. */
  async function pull(headers: readonly string[] = []): Promise<void> {
    assert.equal((await stage.ask(tag(headers))).status, 200);
    for (const { digest } of [image.config, ...image.layers]) await stage.ask(blob(headers, digest));
    await Promise.all([...image.layers, image.config].map(({ digest }) => stored(digest)));
    await stage.context.publicProofs.idle();
  }

  async function stored(digest: string): Promise<void> {
    const flight = stage.context.flights.find(`${stage.registry.authority} team/app ${digest}`);
    await flight?.done;
  }

  it('brings content once, and gives it from disk the second time', async () => {
    await open();
    await pull();
    stage.registry.forget();
    const [layer] = image.layers;
    const again = await stage.ask(tag());
    assert.deepEqual([again.status, again.text], [200, image.bytes.toString('latin1')]);
    assert.equal(again.header('Cache-Status'), 'entrepot; hit; detail=resolved');
    const bytes = await stage.ask(blob());
    assert.ok(bytes.body.equals(layer?.bytes ?? Buffer.alloc(0)));
    assert.equal(bytes.header('Cache-Status'), 'entrepot; hit; detail=granted');
    assert.deepEqual(stage.sent(), ['HEAD manifest']);
    assert.ok(stage.delivered.length > 0);
  });

  it('writes one line for each exchange, with what the cache did', async () => {
    await open();
    await stage.ask(tag(ALICE));
    const { level, fields, message } = stage.log.at(-1) ?? assert.fail();
    assert.deepEqual([level, message], ['info', 'Exchange']);
    assert.deepEqual(JSON.parse(JSON.stringify({ ...fields, ms: 0, upstreamMs: 0 })), {
      id: 'test-1',
      client: '192.0.2.1',
      registry: stage.registry.authority,
      repository: 'team/app',
      reference: 'v1',
      kind: 'manifest',
      method: 'GET',
      status: 200,
      cache: 'request',
      reason: 'tag-not-held',
      bytes: image.bytes.length,
      ms: 0,
      upstreamMs: 0,
    });
    assert.ok(!JSON.stringify(stage.log).includes(ALICE[1] ?? ''));
  });

  it('answers 508 to a request that has been here before, and sends nothing', async () => {
    await open();
    const reply = await stage.ask({ path: '/v2/', headers: ['Via', '1.1 entrepot-stage'] });
    assert.deepEqual([reply.status, reply.state, stage.sent()], [508, 'ended', []]);
    const other = await stage.ask({ path: '/v2/', headers: ['Via', '1.1 entrepot-other'] });
    assert.equal(other.status, 200);
  });

  it('answers 400 to two Authorization headers', async () => {
    await open();
    const reply = await stage.ask(manifest([...ALICE, ...BOB]));
    assert.deepEqual([reply.status, stage.sent()], [400, []]);
  });

  it('says in words and in JSON why the upstream cannot be reached, and blames it', async () => {
    await open();
    const target = { ...stage.target, port: 1 };
    const reply = await stage.ask({ ...blob(), target });
    const [error] = (JSON.parse(reply.text) as { errors: { code: string; message: string; detail: object }[] }).errors;
    assert.equal(reply.status, 502);
    assert.deepEqual([error?.code, error?.detail], ['UNAVAILABLE', { requestId: 'test-1' }]);
    assert.match(error?.message ?? '', /127\.0\.0\.1.*refused/);
    assert.deepEqual(
      stage.log.map(({ level, fields }) => [level, fields.code ?? fields.reason]),
      [
        ['warn', 'upstream-connect'],
        ['info', 'upstream-connect'],
      ],
    );
    const head = await stage.ask({ ...blob(), method: 'HEAD', target });
    assert.deepEqual([head.status, head.sentBytes, head.state], [502, 0, 'ended']);
  });

  it('keeps the words of an error that nobody foresaw for the log', async () => {
    const store = { ...createMemoryStore(), lookup: () => Promise.reject(new Error('secret words')) };
    await open({ store });
    const reply = await stage.ask(blob());
    assert.equal(reply.status, 500);
    assert.match(reply.text, /the proxy has failed/);
    assert.doesNotMatch(reply.text, /secret/);
    assert.ok(stage.log.some(({ fields }) => fields.error === 'secret words'));
  });

  it('breaks the connection where the answer has begun, and never ends a short body cleanly', async () => {
    await open();
    stage.registry.misbehave({ kind: 'blob', method: 'GET' }, { status: 404 });
    stage.registry.misbehave({ kind: 'blob', method: 'GET' }, { truncateAt: 10_000 }, 1);
    const reply = await stage.ask(blob());
    assert.deepEqual([reply.status, reply.state], [200, 'destroyed']);
    assert.equal(await stage.store.lookup(image.layers[0]?.digest as never), undefined);
  });

  it('never delivers the whole of bytes that are not those of the digest', async () => {
    await open();
    stage.registry.misbehave({ kind: 'blob', method: 'GET' }, { corruptAt: 7 });
    const reply = await stage.ask(blob());
    assert.equal(reply.state, 'destroyed');
    assert.ok(reply.sentBytes < (image.layers[0]?.bytes.length ?? 0));
    stage.registry.misbehave({ kind: 'manifest' }, { corruptAt: 7 });
    const other = await stage.ask(manifest());
    assert.deepEqual([other.status, other.state], [502, 'ended']);
  });

  it('notes a client that has gone, and no fault', async () => {
    await open();
    const gone = new AbortController();
    gone.abort();
    const reply = await stage.ask({ ...blob(), leaveAfterBytes: 1, signal: gone.signal });
    assert.equal(reply.state, 'destroyed');
    assert.deepEqual(
      stage.log.map(({ level, fields }) => [level, fields.reason]),
      [['info', 'client-gone']],
    );
  });

  it('passes on what is no content, and stores nothing of it', async () => {
    await open();
    for (const path of [
      '/v2/',
      '/v2/team/app/tags/list',
      '/v2/_catalog',
      '/token?scope=x',
      `/v2/team/app/referrers/${image.digest}`,
    ]) {
      const reply = await stage.ask({ path });
      assert.match(reply.header('Cache-Status') ?? '', /^entrepot; fwd=bypass; detail=not-content$/, path);
    }
    assert.equal(stage.store.usage.entries, 0);
  });

  it('asks the registry at every HEAD, cached or not', async () => {
    await open();
    await pull();
    stage.registry.forget();
    for (const asked of [tag(), manifest(), blob()]) {
      const reply = await stage.ask({ ...asked, method: 'HEAD' });
      assert.deepEqual([reply.status, reply.sentBytes, reply.state], [200, 0, 'ended']);
    }
    assert.deepEqual(stage.sent(), ['HEAD manifest', 'HEAD manifest', 'HEAD blob']);
  });

  it('gives out nothing that it saw the registry delete', async () => {
    await open();
    await pull();
    const layer = image.layers[0]?.digest ?? '';
    assert.equal((await stage.ask({ ...blob(), method: 'DELETE' })).status, 202);
    const reply = await stage.ask(blob());
    assert.equal(reply.status, 404);
    assert.ok(await stage.store.lookup(layer as never));
  });

  it('gives a private image to nobody whom the registry does not let in', async () => {
    await open({ auth: 'basic' });
    stage.registry.auth.setAccess('team/app', ['alice']);
    await pull(ALICE);
    for (const [who, status] of [
      [[], 401],
      [BOB, 403],
    ] as const) {
      for (const asked of [tag(who), manifest(who), blob(who)]) {
        const reply = await stage.ask(asked);
        assert.equal(reply.status, status, asked.path);
        assert.match(reply.header('Cache-Status') ?? '', /fwd=bypass/);
        assert.ok(!reply.body.equals(image.bytes));
      }
    }
    assert.equal((await stage.ask(blob(ALICE))).header('Cache-Status'), 'entrepot; hit; detail=granted');
  });

  const pages = [
    [
      'a page of its own length',
      { status: 200, setHeaders: { 'Content-Type': 'text/html' }, body: Buffer.alloc(5000) },
    ],
    ['a page in chunks', { status: 200, body: Buffer.alloc(5000), contentLength: 'chunked' }],
    ['an empty page', { status: 200, body: Buffer.alloc(0) }],
  ] as const;
  for (const [what, page] of pages) {
    it(`gives nothing to a stranger to whom a login page says yes to everything: ${what}`, async () => {
      await open({ auth: 'basic' });
      stage.registry.auth.setAccess('team/app', ['alice']);
      await pull(ALICE);
      const how = { ...page, dropHeaders: ['docker-content-digest', 'etag'] };
      stage.registry.misbehave({ authorized: false }, how);
      // The manifest, its HEAD and the blob, twice each: what one yes leaves behind must not help the next.
      for (let round = 0; round < 2; round += 1) {
        for (const asked of [
          tag(),
          manifest(),
          { ...manifest(), method: 'HEAD' },
          { ...blob(), method: 'HEAD' },
          blob(),
        ]) {
          const reply = await stage.ask(asked);
          assert.ok(!reply.text.includes('layers'), asked.path);
          assert.ok(!reply.body.equals(image.layers[0]?.bytes ?? Buffer.alloc(0)), asked.path);
        }
        await stage.context.publicProofs.idle();
      }
      assert.equal(
        await stage.context.access.isPublic(`${stage.registry.authority} team/app`, image.digest as never),
        false,
      );
      const dressed = await stage.ask(blob(['X-Anything', '1']));
      assert.ok(!dressed.body.equals(image.layers[0]?.bytes ?? Buffer.alloc(0)));
    });
  }

  it('does not let a login page into the download of somebody who may', async () => {
    await open({ auth: 'basic' });
    const bytes = seededBytes(1_000_000, 'private');
    const { digest } = stage.registry.content.addBlob('team/app', bytes);
    stage.registry.auth.setAccess('team/app', ['alice']);
    stage.registry.misbehave(
      { authorized: false },
      { status: 200, body: Buffer.alloc(5000), dropHeaders: ['docker-content-digest'] },
    );
    const rule = stage.registry.misbehave({ kind: 'blob', method: 'GET', authorized: true }, { stall: 500_000 });
    const alice = stage.ask(blob(ALICE, digest));
    await rule.stalled();
    const stranger = await stage.ask(blob([], digest));
    assert.ok(stranger.body.equals(Buffer.alloc(5000)));
    rule.release();
    assert.ok((await alice).body.equals(bytes));
  });

  it('gives content of one repository through no other', async () => {
    await open({ auth: 'basic' });
    stage.registry.auth.setAccess('team/app', ['alice']);
    await pull(ALICE);
    const layer = image.layers[0] ?? assert.fail();
    const path = `/v2/evil/app/blobs/${layer.digest}`;
    stage.registry.misbehave(
      { kind: 'blob', repository: 'evil/app', method: 'HEAD' },
      { status: 200, body: Buffer.alloc(0), setHeaders: { 'Content-Length': `${layer.bytes.length}` } },
    );
    const reply = await stage.ask({ path, headers: BOB });
    assert.equal(reply.status, 404);
  });

  it('forgets a credential when the registry refuses it', async () => {
    await open({ auth: 'basic' });
    stage.registry.auth.setAccess('team/app', ['alice']);
    await pull(ALICE);
    assert.equal((await stage.ask(blob(ALICE))).header('Cache-Status'), 'entrepot; hit; detail=granted');
    stage.registry.auth.setAccess('team/app', ['bob']);
    stage.advance(60_000);
    assert.equal((await stage.ask(blob(ALICE))).status, 403);
    assert.equal((await stage.ask(tag(ALICE))).status, 403);
    assert.equal((await stage.ask(blob(BOB))).header('Cache-Status'), 'entrepot; hit; detail=probed');
  });

  it('lets a manifest by digest keep the type that its bytes leave no doubt about', async () => {
    await open();
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_MANIFEST, config: null, layers: [] }));
    const digest = digestText(bytes);
    stage.registry.content.addManifest('evil/app', image.bytes, 'application/vnd.docker.distribution.manifest.v1+json');
    stage.registry.content.addManifest('evil/app', bytes, OCI_MANIFEST);
    const any = ['Accept', '*/*'];
    const lie = await stage.ask({ path: `/v2/evil/app/manifests/${image.digest}`, headers: any });
    assert.deepEqual([lie.status, lie.header('Cache-Status')], [200, 'entrepot; fwd=bypass; detail=not-readable']);
    await stage.ask({ path: `/v2/evil/app/manifests/${digest}`, headers: any });
    assert.equal(stage.store.usage.entries, 0);
    await stage.ask(manifest(any));
    const hit = await stage.ask(manifest(any));
    assert.deepEqual([hit.header('Content-Type'), hit.header('Cache-Status')?.split(';')[1]], [OCI_MANIFEST, ' hit']);
  });
});
