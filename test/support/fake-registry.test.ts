import assert from 'node:assert/strict';
import { type FakeRegistry, type RegistryOptions, startFakeRegistry } from './fake-registry.js';
import { proxyGet, proxyOpen } from './pull.js';
import { CLIENT_STYLES, pullImage } from './pull-image.js';
import { seededBytes } from './registry-content.js';

const DATA = seededBytes(300_000, 'data');

describe('support/fake-registry', () => {
  let registry: FakeRegistry;
  afterEach(() => registry?.close());

  async function start(options: RegistryOptions = {}): Promise<{ path: string; authority: string; ca: string }> {
    registry = await startFakeRegistry(options);
    const { digest } = registry.content.addBlob('a', DATA);
    return { path: `/v2/a/blobs/${digest}`, authority: registry.authority, ca: registry.ca };
  }

  for (const style of CLIENT_STYLES) {
    it(`serves a private multi-arch image to ${style}, with tokens`, async () => {
      const { authority, ca } = await start({ auth: 'token' });
      registry.auth.setAccess('team/app', ['alice']);
      const images = [
        registry.content.addImage('team/app', undefined),
        registry.content.addImage('team/app', undefined, { label: 'arm' }),
      ];
      const index = registry.content.addIndex('team/app', 'v1', images);
      const request = { authority, ca, repository: 'team/app', reference: 'v1', style };
      const pulled = await pullImage({ ...request, credential: { user: 'alice', password: 'secret' } });
      assert.equal(pulled.digest, index.digest);
      assert.equal(pulled.manifests.length, 2);
      assert.equal(pulled.blobs.length, 4);
      await assert.rejects(pullImage({ ...request, credential: { user: 'bob', password: 'hunter2' } }), /got 401/);
      await assert.rejects(pullImage(request), /got 401/);
    });
  }

  it('redirects to signed addresses that take no credential', async () => {
    const { path, authority, ca } = await start({ delivery: { redirect: 307 } });
    const redirect = await proxyGet({ authority, ca, path });
    assert.equal(redirect.status, 307);
    const location = new URL(redirect.header('location') ?? '');
    const cdn = { authority: registry.cdnAuthority, ca };
    const data = await proxyGet({ ...cdn, path: location.pathname + location.search });
    assert.deepEqual(data.body, DATA);
    const refused = await proxyGet({
      ...cdn,
      path: location.pathname + location.search,
      headers: ['Authorization', 'x'],
    });
    assert.equal(refused.status, 400);
    assert.equal(
      (await proxyGet({ ...cdn, path: `${location.pathname}?expires=9999999999999&signature=00` })).status,
      403,
    );
    assert.equal(registry.hits({ server: 'cdn', kind: 'data' }), 3);
  });

  it('answers ranges', async () => {
    const request = await start();
    const answer = await proxyGet({ ...request, headers: ['Range', 'bytes=10-19'] });
    assert.equal(answer.status, 206);
    assert.equal(answer.header('content-range'), 'bytes 10-19/300000');
    assert.deepEqual(answer.body, DATA.subarray(10, 20));
    assert.deepEqual((await proxyGet({ ...request, headers: ['Range', 'bytes=-5'] })).body, DATA.subarray(-5));
    assert.equal((await proxyGet({ ...request, headers: ['Range', 'bytes=300000-'] })).status, 416);
  });

  it('stalls until released, before the head and in the body', async () => {
    const request = await start();
    const rule = registry.misbehave({ kind: 'blob' }, { stall: 100_000 });
    const answer = await proxyOpen(request);
    assert.equal((await answer.read(100_000)).length, 100_000);
    await rule.stalled();
    assert.equal(registry.requests[0]?.sentBytes, 100_000);
    rule.release();
    assert.deepEqual((await answer.rest()).body, DATA.subarray(100_000));
    const silent = registry.misbehave({ kind: 'blob' }, { stall: 'head' });
    const later = proxyGet(request);
    await silent.stalled();
    assert.equal(registry.requests[1]?.status, 0);
    silent.release();
    assert.equal((await later).complete, true);
  });

  for (const reset of [false, true]) {
    it(`breaks off ${reset ? 'by RST' : 'by FIN'}`, async () => {
      const request = await start();
      registry.misbehave({ kind: 'blob' }, { truncateAt: 70_000, reset }, 1);
      const answer = await proxyGet(request);
      assert.equal(answer.complete, false);
      if (!reset) assert.equal(answer.body.length, 70_000);
      assert.deepEqual((await proxyGet(request)).body, DATA);
    });
  }

  it('lies about bytes and lengths', async () => {
    const request = await start();
    const corrupt = registry.misbehave({ kind: 'blob' }, { corruptAt: 5 });
    const answer = await proxyGet(request);
    assert.equal(answer.body.length, DATA.length);
    assert.notDeepEqual(answer.body, DATA);
    corrupt.remove();
    registry.misbehave({ kind: 'blob' }, { contentLength: 300_001 }, 1);
    const short = await proxyOpen(request);
    assert.equal(short.header('content-length'), '300001');
    short.hangUp();
    registry.misbehave({ kind: 'blob' }, { contentLength: 'chunked' }, 1);
    const chunked = await proxyGet(request);
    assert.equal(chunked.header('content-length'), undefined);
    assert.deepEqual(chunked.body, DATA);
    registry.misbehave({ kind: 'blob' }, { contentLength: 'close' }, 1);
    const closed = await proxyGet(request);
    assert.deepEqual([closed.header('content-length'), closed.header('transfer-encoding')], [undefined, undefined]);
    assert.deepEqual(closed.body, DATA);
  });

  it('takes a push in pieces, in one and by mounting', async () => {
    const { authority, ca } = await start();
    const way = { authority, ca };
    const { digest } = registry.content.addBlob('spare', seededBytes(5000, 'push'));
    const bytes = seededBytes(5000, 'push');
    const opened = await proxyGet({ ...way, method: 'POST', path: '/v2/b/blobs/uploads/', body: Buffer.alloc(0) });
    assert.equal(opened.status, 202);
    const first = await proxyGet({
      ...way,
      method: 'PATCH',
      path: opened.header('location') ?? '',
      headers: ['Content-Range', '0-1999'],
      body: bytes.subarray(0, 2000),
    });
    assert.equal(first.header('range'), '0-1999');
    const put = `${first.header('location')}&digest=${digest}`;
    assert.equal((await proxyGet({ ...way, method: 'PUT', path: put, body: bytes.subarray(2000) })).status, 201);
    assert.deepEqual((await proxyGet({ ...way, path: `/v2/b/blobs/${digest}` })).body, bytes);
    const mount = await proxyGet({
      ...way,
      method: 'POST',
      path: `/v2/c/blobs/uploads/?mount=${digest}&from=b`,
      body: Buffer.alloc(0),
    });
    assert.equal(mount.status, 201);
  });
});
