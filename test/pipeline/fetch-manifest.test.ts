import assert from 'node:assert/strict';
import type { Digest } from '../../src/oci/digest.js';
import { OCI_MANIFEST } from '../../src/oci/media-types.js';
import { fetchManifest } from '../../src/pipeline/fetch-manifest.js';
import { seededBytes, type TestImage } from '../support/registry-content.js';
import { type Asked, openStage, type Stage } from './stage.js';

const ACCEPT = ['Accept', OCI_MANIFEST];
const GET = { kind: 'manifest', method: 'GET', own: false } as const;

describe('pipeline/fetch-manifest', () => {
  let stage: Stage;
  let image: TestImage;

  beforeEach(async () => {
    stage = await openStage();
    image = stage.registry.content.addImage('team/app', 'v1');
  });
  afterEach(async () => {
    await stage.context.publicProofs.idle();
    await stage.close();
  });

  /** `sizeBytes` is what the registry said to this credential; undefined where it was not asked. */
  function start(asked: Partial<Asked> = {}, sizeBytes?: number) {
    const visit = stage.visit({ path: `/v2/team/app/manifests/${image.digest}`, headers: ACCEPT, ...asked });
    const outcome = visit.route.digest ? 'miss' : 'request';
    const { scope, credential } = visit;
    if (sizeBytes !== undefined) stage.context.access.allow(scope, credential, image.digest as Digest, sizeBytes, true);
    const done = fetchManifest(visit, outcome, sizeBytes !== undefined).then(() => visit.exchange.reply);
    done.catch(() => {});
    return { visit, done };
  }

  const tag = { path: '/v2/team/app/manifests/v1' };

  it('gives the manifest byte for byte, keeps it, and writes down who delivered it', async () => {
    const { visit, done } = start(tag);
    const reply = await done;
    assert.deepEqual([reply.status, reply.state, reply.text], [200, 'ended', image.bytes.toString('latin1')]);
    assert.deepEqual(
      [reply.header('Content-Type'), reply.header('Cache-Status')],
      [OCI_MANIFEST, 'entrepot; fwd=request; stored'],
    );
    const digest = image.digest as Digest;
    assert.equal((await stage.store.lookup(digest))?.mediaType, OCI_MANIFEST);
    assert.ok(await stage.context.access.isDelivered(visit.scope, digest));
    assert.ok(await stage.context.access.permission(visit.scope, visit.credential, image.layers[0]?.digest as Digest));
    await stage.context.publicProofs.idle();
    assert.ok(await stage.context.access.isPublic(visit.scope, digest));
  });

  it('believes the bytes and not the header that says what they are', async () => {
    const lie = `sha256:${'0'.repeat(64)}`;
    stage.registry.misbehave(GET, { setHeaders: { 'Docker-Content-Digest': lie } });
    const reply = await start(tag).done;
    assert.equal(reply.header('Docker-Content-Digest'), lie);
    assert.equal(await stage.store.lookup(lie as Digest), undefined);
    assert.ok(await stage.store.lookup(image.digest as Digest));
  });

  it('answers other bytes than those asked for with a fault, and sends none of them', async () => {
    stage.registry.misbehave(GET, { corruptAt: 5 });
    const { visit, done } = start();
    await assert.rejects(done, { code: 'digest-mismatch' });
    assert.deepEqual([visit.exchange.reply.headSent, stage.store.usage.entries], [false, 0]);
  });

  it('checks sha512 as well', async () => {
    const sha512 = stage.registry.content.addManifest('team/app', image.bytes, OCI_MANIFEST, { algorithm: 'sha512' });
    const reply = await start({ path: `/v2/team/app/manifests/${sha512.digest}` }).done;
    assert.equal(reply.status, 200);
    assert.ok(await stage.store.lookup(sha512.digest as Digest));
  });

  for (const status of [401, 403, 404, 429, 500, 307]) {
    it(`gives the client the ${status} of the registry as it is`, async () => {
      stage.registry.misbehave(GET, { status, body: Buffer.from('no'), setHeaders: { Location: '/x' } });
      const reply = await start(tag).done;
      assert.deepEqual([reply.status, reply.text, reply.header('Location')], [status, 'no', '/x']);
      assert.equal(stage.store.usage.entries, 0);
    });
  }

  it('passes on what is no manifest, and keeps none of it', async () => {
    const rule = stage.registry.misbehave(GET, { setHeaders: { 'Content-Type': 'text/html' } });
    assert.equal((await start().done).header('Cache-Status'), 'entrepot; fwd=bypass; detail=not-a-manifest');
    rule.remove();
    stage.registry.misbehave(GET, { gzip: true });
    const zipped = await start().done;
    assert.equal(zipped.header('Content-Encoding'), 'gzip');
    assert.equal(stage.store.usage.entries, 0);
  });

  for (const contentLength of [undefined, 'chunked'] as const) {
    it(`passes a manifest above 4 MiB on byte for byte, ${contentLength ?? 'with its length'}`, async () => {
      const bytes = seededBytes(4 * 1024 * 1024 + 70_000, 'large');
      const { digest } = stage.registry.content.addManifest('team/app', bytes, OCI_MANIFEST);
      if (contentLength) stage.registry.misbehave(GET, { contentLength });
      const reply = await start({ path: `/v2/team/app/manifests/${digest}` }).done;
      assert.ok(reply.body.equals(bytes));
      assert.equal(reply.header('Cache-Status'), 'entrepot; fwd=bypass; detail=manifest-too-large');
      assert.equal(stage.store.usage.entries, 0);
    });
  }

  it('gives a length where the registry gave none', async () => {
    stage.registry.misbehave(GET, { contentLength: 'chunked' });
    const reply = await start().done;
    assert.equal(reply.header('Content-Length'), String(image.bytes.length));
    assert.equal(reply.header('Transfer-Encoding'), undefined);
  });

  it('fails where the manifest breaks off', async () => {
    stage.registry.misbehave(GET, { truncateAt: 10 });
    const { visit, done } = start(tag);
    await assert.rejects(done, { source: 'upstream' });
    assert.equal(visit.exchange.reply.headSent, false);
  });

  it('fetches once for all who may and ask alike', async () => {
    const rule = stage.registry.misbehave(GET, { stall: 'head' });
    const size = image.bytes.length;
    const leader = start({}, size);
    await rule.stalled();
    const alike = Array.from({ length: 5 }, (_, i) => start({ headers: [...ACCEPT, 'Cookie', `${i}`] }, size));
    const others = [start({ headers: ['Accept', '*/*'] }, size), start(tag), start()];
    await rule.stalled(4);
    rule.release();
    for (const { done } of [leader, ...alike, ...others])
      assert.equal((await done).text, image.bytes.toString('latin1'));
    assert.equal((await alike[0]?.done)?.header('Cache-Status'), 'entrepot; fwd=uri-miss; collapsed');
    assert.equal((await alike[0]?.done)?.header('Content-Type'), OCI_MANIFEST);
    assert.equal(stage.registry.hits(GET), 4);
  });

  it('shares nothing with who was told another length', async () => {
    const rule = stage.registry.misbehave(GET, { stall: 'head' }, 1);
    const leader = start({}, image.bytes.length);
    await rule.stalled();
    stage.registry.misbehave(GET, { status: 403, body: Buffer.from('no') });
    const stranger = start({ headers: [...ACCEPT, 'Cookie', 'x'] }, 5000);
    rule.release();
    assert.equal((await leader.done).status, 200);
    assert.equal((await stranger.done).status, 403);
  });

  it('shares neither a refusal, nor the pace of a client that reads it slowly', async () => {
    const rule = stage.registry.misbehave(GET, { status: 403, body: Buffer.from('no'), stall: 'head' }, 1);
    const size = image.bytes.length;
    const leader = start({}, size);
    let go: () => void = () => {};
    const slow = new Promise<void>((resolve) => {
      go = resolve;
    });
    const { reply } = leader.visit.exchange;
    const write = reply.write.bind(reply);
    reply.write = async (bytes) => {
      await slow;
      return write(bytes);
    };
    await rule.stalled();
    const follower = start({ headers: [...ACCEPT, 'Cookie', 'x'] }, size);
    rule.release();
    assert.equal((await follower.done).status, 200);
    go();
    assert.equal((await leader.done).status, 403);
  });

  it('E06 judges a follower again when the manifest has come', async () => {
    const rule = stage.registry.misbehave(GET, { stall: 'head' }, 1);
    const size = image.bytes.length;
    const leader = start({}, size);
    await rule.stalled();
    const follower = start({ headers: [...ACCEPT, 'Cookie', 'x'] }, size);
    await stage.context.access.observe({ ...follower.visit, digest: undefined, status: 403, refusalCounts: true });
    stage.registry.misbehave({ kind: 'manifest', own: false }, { status: 403, body: Buffer.from('no') });
    rule.release();
    assert.equal((await leader.done).status, 200);
    const refused = await follower.done;
    assert.deepEqual([refused.status, refused.text], [403, 'no']);
  });

  it('goes on for its followers, and is broken off when the last of them has left', async () => {
    const rule = stage.registry.misbehave(GET, { stall: 'head' });
    const clients = Array.from({ length: 3 }, () => new AbortController());
    const size = image.bytes.length;
    const gets = clients.map(({ signal }, i) => start({ signal, headers: [...ACCEPT, 'Cookie', `${i}`] }, size));
    await rule.stalled();
    const [fetched] = stage.registry.find(GET);
    clients[0]?.abort();
    clients[1]?.abort();
    assert.equal(fetched?.outcome, 'open');
    clients[2]?.abort();
    await fetched?.over;
    assert.equal(fetched?.outcome, 'aborted');
    await Promise.allSettled(gets.map(({ done }) => done));
    rule.release();
    assert.equal((await start({}, size).done).status, 200);
  });

  it('by tag belongs to its client alone', async () => {
    const rule = stage.registry.misbehave(GET, { stall: 'head' });
    const client = new AbortController();
    const left = start({ ...tag, signal: client.signal });
    await rule.stalled();
    client.abort();
    await assert.rejects(left.done);
    const [fetched] = stage.registry.find(GET);
    await fetched?.over;
    assert.equal(fetched?.outcome, 'aborted');
  });

  it('answers though the disk fails, and does not say that it was stored', async () => {
    stage.context.store.put = async () => {
      throw new Error('disk full');
    };
    const { visit, done } = start();
    const { status, cacheStatus } = await done.then((reply) => {
      return { status: reply.status, cacheStatus: reply.header('Cache-Status') };
    });
    assert.deepEqual([status, cacheStatus], [200, 'entrepot; fwd=uri-miss; detail=not-stored']);
    assert.equal(await stage.context.access.isDelivered(visit.scope, image.digest as Digest), false);
  });
});
