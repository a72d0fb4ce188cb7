import assert from 'node:assert/strict';
import { headerValue } from '../../src/http/headers.js';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.js';
import { type ProxyAnswer, proxyGet } from '../support/pull.js';
import { seededBytes } from '../support/registry-content.js';
import { startProxy, type TestProxy } from '../support/start-proxy.js';
import { createTestAuthority } from '../support/test-certificates.js';

/*
 * What is stored and what is given back, row by row, through the whole proxy.
 *
 * A stored blob is its bytes and its digest; nothing that one registry said around them reaches the clients of another
 * hour, and no host, port or repository answers for another.
 */

describe('threats/stored content', () => {
  const authority = createTestAuthority();
  let registry: FakeRegistry;
  let other: FakeRegistry;
  let proxy: TestProxy;
  let bytes: Buffer;
  let digest: string;

  beforeEach(async () => {
    registry = await startFakeRegistry({ authority, name: 'localhost' });
    other = await startFakeRegistry({ authority });
    bytes = seededBytes(100_000, 'stored');
    digest = registry.content.addBlob('a', bytes).digest;
    proxy = await startProxy({ registries: [registry, other] });
  });
  afterEach(async () => {
    await proxy.close();
    await registry.close();
    await other.close();
  });

  function send(
    at: string,
    path: string,
    more: { readonly method?: string; readonly headers?: readonly string[] } = {},
  ): Promise<ProxyAnswer> {
    return proxyGet({ ...proxy.way, authority: at, path, ...more });
  }

  function isHit(answer: ProxyAnswer): boolean {
    return (answer.header('cache-status') ?? '').startsWith('entrepot; hit');
  }

  async function store(): Promise<void> {
    assert.equal((await send(registry.authority, `/v2/a/blobs/${digest}`)).status, 200);
    await proxy.settled();
    registry.forget();
  }

  it('knows one host by all its spellings, and by no other (E18)', async () => {
    const { port } = registry;
    await store();
    for (const host of ['localhost', 'LOCALHOST', 'LocalHost.', 'localhost.']) {
      const answer = await send(`${host}:${port}`, `/v2/a/blobs/${digest}`, { headers: ['Host', `${host}:${port}`] });
      assert.equal(answer.status, 200, host);
      assert.ok(isHit(answer), `${host}: ${answer.header('cache-status')}`);
    }
    // The same server under its address is another registry to us: it has delivered nothing under that name.
    await proxy.close();
    const elsewhere = `127.0.0.1:${port}`;
    proxy = await startProxy({ registries: [registry], flags: { intercept: `${registry.authority},${elsewhere}` } });
    await store();
    const answer = await send(elsewhere, `/v2/a/blobs/${digest}`);
    assert.ok(answer.body.equals(bytes));
    assert.equal(isHit(answer), false);
    assert.equal(registry.hits({ kind: 'blob', method: 'GET', status: 200 }), 1);
  });

  it('never answers one host’s path with another’s content (G08)', async () => {
    await store();
    const path = `/v2/a/blobs/${digest}`;
    assert.equal((await send(other.authority, path)).status, 404);
    const different = other.content.addImage('a', 'v1', { label: 'other' });
    const image = registry.content.addImage('a', 'v1');
    for (const [at, expected] of [
      [registry, image],
      [other, different],
      [registry, image],
      [other, different],
    ] as const) {
      const answer = await send(at.authority, '/v2/a/manifests/v1', { headers: ['Accept', '*/*'] });
      assert.deepEqual(answer.body, expected.bytes);
    }
    other.content.addBlob('a', bytes);
    const first = await send(other.authority, path);
    assert.ok(first.body.equals(bytes));
    assert.equal(isHit(first), false, 'each host delivers once');
    await proxy.settled();
    assert.ok(isHit(await send(other.authority, path)));
  });

  it('passes HEADs on, gives their lengths, and takes none for a delivery (G07)', async () => {
    registry.content.addBlob('b', bytes);
    for (const [path, cached] of [
      [`/v2/a/blobs/${digest}`, false],
      [`/v2/a/blobs/${digest}`, true],
      [`/v2/b/blobs/${digest}`, true],
    ] as const) {
      if (cached && path.includes('/a/')) await store();
      registry.forget();
      const head = await send(registry.authority, path, { method: 'HEAD' });
      assert.equal(head.status, 200);
      assert.equal(head.header('content-length'), String(bytes.length));
      assert.equal(head.header('docker-content-digest'), digest);
      assert.equal(head.body.length, 0);
      assert.equal(registry.hits({ method: 'HEAD', kind: 'blob' }), 1);
      assert.equal(registry.hits({ method: 'GET' }), 0);
    }
    const delivered = await send(registry.authority, `/v2/b/blobs/${digest}`);
    assert.ok(delivered.body.equals(bytes));
    assert.equal(isHit(delivered), false, 'b has not delivered yet');
    const gone = await send(registry.authority, `/v2/c/blobs/${digest}`, { method: 'HEAD' });
    assert.equal(gone.status, 404, 'a push must not be told that another repository holds it');
  });

  it('believes no part that does not fit (G04)', async () => {
    await store();
    registry.misbehave({ kind: 'blob', method: 'HEAD' }, { status: 405 });
    for (const range of ['bytes 0-0/7', 'bytes 5-5/100000', 'bytes 0-0/*', 'bytes */100000', 'garbage']) {
      const rule = registry.misbehave(
        { kind: 'blob', method: 'GET', own: false },
        { status: 206, setHeaders: { 'Content-Range': range }, body: Buffer.from('x') },
        1,
      );
      // Another credential each time, so that no earlier yes stands in.
      const answer = await send(registry.authority, `/v2/a/blobs/${digest}`, { headers: ['X-Who', range] });
      assert.ok(!answer.complete || answer.status !== 200 || answer.body.equals(bytes), range);
      assert.equal(isHit(answer), false, range);
      rule.remove();
    }
    const right = await send(registry.authority, `/v2/a/blobs/${digest}`);
    assert.ok(right.body.equals(bytes));
  });

  it('keeps what a registry forbids to keep, because a digest never changes, and nothing of what it says beside (G13)', async () => {
    registry.misbehave(
      { kind: 'blob' },
      { setHeaders: { 'Cache-Control': 'private, no-store', Vary: '*', 'Set-Cookie': 'id=1', Pragma: 'no-cache' } },
    );
    await store();
    const answer = await send(registry.authority, `/v2/a/blobs/${digest}`);
    assert.ok(isHit(answer));
    assert.ok(answer.body.equals(bytes));
    for (const name of ['set-cookie', 'vary', 'pragma', 'cache-control']) {
      assert.equal(answer.header(name), undefined, name);
    }
  });

  it('gives with stored content no header of the answer that brought it (G15)', async () => {
    const said = {
      'Strict-Transport-Security': 'max-age=1',
      'Alt-Svc': 'h3=":443"',
      Age: '5000',
      Date: 'Thu, 01 Jan 1970 00:00:00 GMT',
      'X-Amz-Request-Id': 'abc',
      Server: 'registry',
      Link: '<https://evil.test/>; rel="next"',
      'Proxy-Authenticate': 'Basic',
    };
    registry.misbehave({}, { setHeaders: said });
    const cold = await send(registry.authority, `/v2/a/blobs/${digest}`);
    await proxy.settled();
    const warm = await send(registry.authority, `/v2/a/blobs/${digest}`);
    assert.ok(isHit(warm));
    for (const answer of [cold, warm]) {
      for (const [name, value] of Object.entries(said)) assert.notEqual(answer.header(name), value, name);
    }
    const passed = await send(registry.authority, '/v2/');
    assert.equal(passed.header('alt-svc'), undefined, 'it would lead clients past us');
    assert.equal(passed.header('proxy-authenticate'), undefined);
  });

  for (const size of [0, 1, 15, 16 * 1024, 16 * 1024 + 1]) {
    it(`gives a blob of ${size} bytes right, cold and warm (G16)`, async () => {
      const small = registry.content.addBlob('a', seededBytes(size, `small ${size}`));
      for (const hit of [false, true]) {
        const answer = await send(registry.authority, `/v2/a/blobs/${small.digest}`);
        assert.equal(answer.status, 200);
        assert.ok(answer.complete);
        assert.equal(answer.header('content-length'), String(size));
        assert.ok(answer.body.equals(small.bytes));
        assert.equal(isHit(answer), hit);
        await proxy.settled();
      }
      registry.misbehave({ kind: 'blob', method: 'GET' }, { body: Buffer.alloc(size + 1, 'wrong') });
      await proxy.close();
      proxy = await startProxy({ registries: [registry] });
      const wrong = await send(registry.authority, `/v2/a/blobs/${small.digest}`).catch(() => undefined);
      assert.ok(wrong === undefined || !wrong.complete || wrong.status !== 200);
    });
  }

  it('passes upstream’s own errors on byte for byte, and makes its own without a word too much (F07)', async () => {
    registry.misbehave({ path: /teapot/ }, { status: 418, body: Buffer.from('<b>short and stout</b>') });
    const own = await send(registry.authority, '/v2/teapot');
    assert.equal(own.status, 418);
    assert.equal(own.body.toString(), '<b>short and stout</b>');
    registry.misbehave(
      { kind: 'manifest' },
      {
        status: 200,
        setHeaders: { 'Content-Type': 'application/vnd.oci.image.manifest.v1+json' },
        body: Buffer.from('/secret/path <script>'),
      },
    );
    const image = registry.content.addImage('a', 'v1');
    const answers = [await send(registry.authority, `/v2/a/manifests/${image.digest}`)];
    await registry.close();
    answers.push(await send(registry.authority, '/v2/'), await send(registry.authority, `/v2/a/blobs/${digest}?x`));
    for (const answer of answers) {
      assert.equal(answer.status, 502);
      assert.match(answer.header('content-type') ?? '', /^application\/json/);
      const text = answer.body.toString();
      const { errors } = JSON.parse(text) as { errors: { code: string; message: string; detail: unknown }[] };
      assert.equal(errors.length, 1);
      assert.equal(errors[0]?.code, 'UNAVAILABLE');
      assert.notEqual(errors[0]?.detail, undefined);
      for (const word of ['/secret/path', '<script>', 'node:', '.ts', '.js', 'at ', proxy.folder]) {
        assert.equal(text.includes(word), false, `${word} in ${text}`);
      }
    }
  });

  it('never asks the registry to compress what it means to keep (G03)', async () => {
    const image = registry.content.addImage('a', 'v1');
    const headers = ['Accept', '*/*', 'Accept-Encoding', 'gzip, zstd'];
    for (const path of [`/v2/a/blobs/${digest}`, '/v2/a/manifests/v1', `/v2/a/manifests/${image.digest}`]) {
      await send(registry.authority, path, { headers });
    }
    for (const request of registry.find({ own: false })) {
      assert.equal(headerValue(request.headers, 'accept-encoding'), 'identity', `${request.method} ${request.path}`);
    }
    registry.misbehave({ kind: 'manifest', method: 'GET' }, { gzip: true });
    const moved = registry.content.addImage('a', 'v1', { label: 'moved' });
    const answer = await send(registry.authority, `/v2/a/manifests/${moved.digest}`, { headers });
    assert.equal(answer.header('content-encoding'), 'gzip');
    assert.equal(isHit(await send(registry.authority, `/v2/a/manifests/${moved.digest}`, { headers })), false);
  });
});
