import assert from 'node:assert/strict';
import type { Digest } from '../../src/oci/digest.js';
import { OCI_MANIFEST } from '../../src/oci/media-types.js';
import { forward, forwardHead } from '../../src/pipeline/forward.js';
import { digestText, seededBytes, type TestImage } from '../support/registry-content.js';
import { type Asked, openStage, type Stage } from './stage.js';

describe('pipeline/forward', () => {
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

  async function pass(asked: Asked) {
    const visit = stage.visit(asked);
    const status = await forward(stage.context, visit.exchange, visit.trace, visit.upstream, 'not-content');
    return { status, reply: visit.exchange.reply };
  }

  async function head(asked: Partial<Asked> = {}) {
    const visit = stage.visit({
      method: 'HEAD',
      path: '/v2/team/app/manifests/v1',
      headers: ['Accept', OCI_MANIFEST],
      ...asked,
    });
    await forwardHead(visit);
    return { visit, reply: visit.exchange.reply };
  }

  it('passes a request on with its body and own headers, and the answer back', async () => {
    const bytes = seededBytes(300_000, 'pushed');
    const { reply, status } = await pass({
      method: 'POST',
      path: `/v2/team/app/blobs/uploads/?digest=${digestText(bytes)}`,
      headers: [
        'Content-Length',
        `${bytes.length}`,
        'Content-Type',
        'application/octet-stream',
        'Authorization',
        'Bearer x',
      ],
      body: bytes,
    });
    assert.deepEqual([status, reply.status, reply.state], [201, 201, 'ended']);
    const [sent] = stage.registry.requests;
    assert.ok(sent?.body.equals(bytes));
    assert.ok(sent?.headers.includes('Bearer x'));
    assert.ok(sent?.headers.includes('1.1 entrepot-stage'));
    assert.equal(stage.store.usage.entries, 0);
  });

  it('leaves range, conditions and encodings to the registry, and follows no redirect', async () => {
    stage.registry.delivery = { redirect: 307 };
    const headers = ['Range', 'bytes=0-1', 'If-None-Match', '"x"', 'Accept-Encoding', 'gzip'];
    const { reply } = await pass({ path: `/v2/team/app/blobs/${image.layers[0]?.digest}`, headers });
    assert.equal(reply.status, 307);
    for (const text of headers) assert.ok(stage.registry.requests[0]?.headers.includes(text), text);
    assert.equal(stage.registry.requests.length, 1);
  });

  it('gives up upstream when the client goes', async () => {
    const rule = stage.registry.misbehave({ kind: 'tags' }, { stall: 'head' });
    const gone = new AbortController();
    const passing = pass({ path: '/v2/team/app/tags/list', signal: gone.signal });
    await rule.stalled();
    gone.abort();
    await assert.rejects(passing);
    await stage.registry.requests[0]?.over;
    assert.equal(stage.registry.requests[0]?.outcome, 'aborted');
  });

  it('answers a HEAD with the head of the registry, and learns from its yes', async () => {
    const { visit, reply } = await head();
    assert.deepEqual([reply.status, reply.sentBytes, reply.state], [200, 0, 'ended']);
    assert.equal(reply.header('Docker-Content-Digest'), image.digest);
    assert.equal(reply.header('Content-Length'), String(image.bytes.length));
    assert.equal(reply.header('Cache-Status'), 'entrepot; fwd=bypass; detail=head');
    const { access } = stage.context;
    assert.deepEqual(await access.permission(visit.scope, visit.credential, image.digest as Digest), {
      by: 'granted',
      sizeBytes: image.bytes.length,
      inherited: false,
    });
    assert.equal(await access.isDelivered(visit.scope, image.digest as Digest), false, 'a HEAD delivers nothing');
  });

  it('passes a refusal on and learns nothing from it', async () => {
    stage.registry.misbehave(
      { method: 'HEAD' },
      { status: 401, setHeaders: { 'WWW-Authenticate': 'Bearer realm="x"' } },
    );
    const { visit, reply } = await head();
    assert.deepEqual([reply.status, reply.header('WWW-Authenticate')], [401, 'Bearer realm="x"']);
    const { access } = stage.context;
    assert.equal(await access.permission(visit.scope, visit.credential, image.digest as Digest), undefined);
  });

  it('counts what a registry says of its limits', async () => {
    stage.registry.misbehave({ method: 'HEAD' }, { setHeaders: { 'RateLimit-Remaining': '76;w=21600' } });
    await head();
    assert.deepEqual(
      stage.told.map(({ remaining, limit }) => [remaining, limit]),
      [[76, undefined]],
    );
  });

  it('asks a stranger only about a manifest that is held and as long as the registry says', async () => {
    await head();
    await stage.context.publicProofs.idle();
    assert.equal(stage.registry.hits({ own: true }), 0);
    await stage.store.put(image.digest as Digest, image.bytes, OCI_MANIFEST);
    const rule = stage.registry.misbehave({ method: 'HEAD' }, { contentLength: 5000 });
    await head();
    await stage.context.publicProofs.idle();
    assert.equal(stage.registry.hits({ own: true }), 0);
    rule.remove();
    const { visit } = await head();
    await stage.context.publicProofs.idle();
    assert.equal(stage.registry.hits({ own: true }), 1);
    assert.ok(await stage.context.access.isPublic(visit.scope, image.digest as Digest));
  });
});
