import assert from 'node:assert/strict';
import type { Digest } from '../../src/oci/digest.js';
import { findStale, serveStale } from '../../src/pipeline/stale.js';
import type { TestImage } from '../support/registry-content.js';
import { openStage, type Stage } from './stage.js';

const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const ALICE = ['Authorization', 'Bearer alice', 'Accept', OCI_MANIFEST];

describe('pipeline/stale', () => {
  let stage: Stage;
  let image: TestImage;
  let digest: Digest;

  beforeEach(async () => {
    stage = await openStage();
    image = stage.registry.content.addImage('a', 'v1');
    digest = image.digest as Digest;
    await stage.store.put(digest, image.bytes, OCI_MANIFEST);
  });
  afterEach(() => stage.close());

  function visit(headers: readonly string[] = ['Accept', OCI_MANIFEST], method = 'GET') {
    return stage.visit({ path: '/v2/a/manifests/v1', method, headers });
  }

  it('finds what this repository has delivered and shows to anybody', async () => {
    const { access } = stage.context;
    const { scope } = visit();
    assert.equal(await findStale(visit(), digest), undefined);
    await access.provePublic(scope, digest, Date.now());
    assert.equal(await findStale(visit(), digest), undefined, 'not delivered');
    await access.delivered(scope, digest);
    assert.deepEqual(await findStale(visit(), digest), { entry: await stage.store.lookup(digest), by: 'public' });
    assert.equal(await findStale(visit(), undefined), undefined);
    assert.equal(
      await findStale(visit(['Accept', 'application/json']), digest),
      undefined,
      'not of a type that it takes',
    );
  });

  it('finds what was granted to this credential a moment ago, and to no other', async () => {
    const { access } = stage.context;
    const { scope, credential } = visit(ALICE);
    await access.delivered(scope, digest);
    access.allow(scope, credential, digest, image.bytes.length, true);
    assert.equal((await findStale(visit(ALICE), digest))?.by, 'granted');
    assert.equal(await findStale(visit(), digest), undefined);
    stage.advance(60_000);
    assert.equal(await findStale(visit(ALICE), digest), undefined);
  });

  it('finds nothing with --outage fail', async () => {
    const failing = await openStage({ outage: 'fail', access: 'open', store: stage.store });
    try {
      assert.equal(await findStale(failing.visit({ path: '/v2/a/manifests/v1' }), digest), undefined);
    } finally {
      await failing.close();
    }
  });

  for (const method of ['GET', 'HEAD']) {
    it(`answers ${method} with a warning`, async () => {
      const asked = visit(undefined, method);
      const entry = await stage.store.lookup(digest);
      assert.ok(entry && (await serveStale(asked, { entry, by: 'public' })));
      const { reply } = asked.exchange;
      assert.equal(reply.status, 200);
      assert.match(reply.header('Warning') ?? '', /^299 entrepot "/);
      assert.equal(reply.header('Cache-Status'), 'entrepot; fwd=stale; detail=public');
      assert.equal(reply.header('Docker-Content-Digest'), digest);
      assert.equal(reply.header('Content-Type'), OCI_MANIFEST);
      assert.equal(reply.header('Content-Length'), String(image.bytes.length));
      assert.equal(reply.text, method === 'GET' ? image.bytes.toString() : '');
    });
  }

  it('gives what is damaged to nobody', async () => {
    const entry = await stage.store.lookup(digest);
    await stage.store.remove(digest);
    const asked = visit();
    assert.ok(entry && !(await serveStale(asked, { entry, by: 'public' })));
    assert.equal(asked.exchange.reply.headSent, false);
  });
});
