import assert from 'node:assert/strict';
import { headerValue } from '../../src/http/headers.js';
import { type BlobDelivery, type FakeRegistry, startFakeRegistry } from '../support/fake-registry.js';
import { type ProxyRequest, proxyGet } from '../support/pull.js';
import { seededBytes } from '../support/registry-content.js';
import { startProxy, type TestProxy } from '../support/start-proxy.js';
import { createTestAuthority, type TestAuthority } from '../support/test-certificates.js';

/*
 * Redirects are the proxy's affair.
 *
 * A registry that sends a blob's client elsewhere sends the proxy there instead; the client gets the bytes and never
 * sees the signed address. The client's credential goes to the registry and no further: another host, another port or
 * another scheme gets nothing that could be one. A redirect that leads nowhere, in a circle, or from https to http, is
 * an error in words. No redirect is kept: each download asks the registry anew.
 */

const AUTHORIZATION = `Basic ${Buffer.from('alice:secret').toString('base64')}`;

describe('integration/redirects', () => {
  let registry: FakeRegistry;
  let proxy: TestProxy;
  let authority: TestAuthority;
  let bytes: Buffer;
  let digest: string;
  let request: ProxyRequest;

  beforeEach(async () => {
    authority = createTestAuthority();
    registry = await startFakeRegistry({ auth: 'basic', authority });
    bytes = seededBytes(200_000, 'redirect');
    digest = registry.content.addBlob('a', bytes).digest;
    proxy = await startProxy({ registries: [registry] });
    request = {
      ...proxy.way,
      authority: registry.authority,
      path: `/v2/a/blobs/${digest}`,
      headers: ['Authorization', AUTHORIZATION, 'Cookie', 'session=1', 'X-JFrog-Art-Api', 'key', 'Private-Token', 't'],
    };
  });
  afterEach(async () => {
    await proxy?.close();
    await registry?.close();
  });

  const FOLLOWED: readonly (readonly [string, (registry: () => FakeRegistry) => BlobDelivery])[] = [
    ...([301, 302, 303, 307, 308] as const).map((redirect) => {
      return [`${redirect} to a signed address of a CDN`, () => ({ redirect })] as const;
    }),
    ['a relative Location', () => ({ redirect: 302, location: (_, signed) => signed.replace(/^https:\/\/[^/]+/, '') })],
    ['a Location without a scheme', () => ({ redirect: 302, location: (_, signed) => signed.replace('https:', '') })],
    ['one hop more', (at) => ({ redirect: 307, location: (blob) => `https://${at().cdnAuthority}/hop/1/${blob}` })],
    ['five hops in all', (at) => ({ redirect: 307, location: (blob) => `https://${at().cdnAuthority}/hop/4/${blob}` })],
    ['redirects of HEAD as well', () => ({ redirect: 307, redirectHead: true })],
  ];
  for (const [what, delivery] of FOLLOWED) {
    it(`follows ${what}, and answers from disk the next time (F01, F02, W13)`, async () => {
      registry.delivery = delivery(() => registry);
      const cold = await proxyGet(request);
      assert.equal(cold.status, 200, cold.body.toString());
      assert.ok(cold.body.equals(bytes));
      assert.equal(cold.header('location'), undefined);
      const elsewhere = registry.find({ server: 'cdn' });
      for (const { headers } of elsewhere) {
        for (const name of ['authorization', 'cookie', 'x-jfrog-art-api', 'private-token', 'referer']) {
          assert.equal(headerValue(headers, name), undefined, name);
        }
      }
      await proxy.settled();
      registry.forget();
      const warm = await proxyGet(request);
      assert.ok(warm.body.equals(bytes));
      assert.match(warm.header('cache-status') ?? '', /entrepot; hit/);
      assert.equal(registry.hits({ kind: 'data' }), 0);
    });
  }

  const REFUSED: readonly (readonly [string, (registry: () => FakeRegistry) => BlobDelivery['location']])[] = [
    ['an address by http', (at) => (blob) => `http://${at().plainCdnAuthority}/data/${blob}`],
    ['no Location', () => () => undefined],
    ['an empty Location', () => () => ''],
    ['a script', () => () => 'javascript:alert(1)'],
    ['a file', () => () => 'file:///etc/passwd'],
    ['no address at all', () => () => 'https://[::1'],
    ['a circle', (at) => (blob) => `https://${at().cdnAuthority}/loop/${blob}`],
    ['itself', () => (blob) => `/v2/a/blobs/${blob}`],
    ['twenty hops', (at) => (blob) => `https://${at().cdnAuthority}/hop/20/${blob}`],
  ];
  for (const [what, location] of REFUSED) {
    it(`does not follow a redirect to ${what} (F02, F03)`, async () => {
      const where = location(() => registry);
      registry.delivery = { redirect: 307, ...(where !== undefined && { location: where }) };
      const answer = await proxyGet(request);
      assert.equal(answer.status, 502, answer.body.toString());
      assert.match(answer.body.toString(), /"code":"UNAVAILABLE"/);
      assert.equal(registry.hits({ scheme: 'http' }), 0);
      assert.ok(registry.requests.length < 20, `${registry.requests.length} requests`);
      registry.delivery = { redirect: 307 };
      assert.ok((await proxyGet(request)).body.equals(bytes));
    });
  }

  it('asks the registry again for each download', async () => {
    registry.delivery = { redirect: 307 };
    registry.misbehave({ kind: 'data', method: 'GET' }, { status: 403, body: Buffer.from('expired') }, 1);
    const first = await proxyGet(request);
    assert.ok(first.status === 403 || first.body.equals(bytes), `${first.status}`);
    assert.ok((await proxyGet(request)).body.equals(bytes));
    assert.ok(registry.hits({ kind: 'blob', method: 'GET', status: 307 }) >= 2);
  });

  it('refuses to be led to an address that only the proxy itself can reach (A15)', async () => {
    await using other = await startFakeRegistry({ host: '127.0.0.2', authority });
    other.content.addBlob('a', bytes);
    registry.delivery = { redirect: 307, location: (blob) => `https://${other.authority}/v2/a/blobs/${blob}` };
    const ports = { 'connect-ports': String(other.port) };
    await proxy?.close();
    proxy = await startProxy({ registries: [registry], flags: ports });
    const open = await proxyGet({ ...request, ...proxy.way });
    assert.ok(open.body.equals(bytes));
    assert.equal(other.requests.length, 1);
    await proxy?.close();
    proxy = await startProxy({ registries: [registry], flags: { ...ports, 'egress-allow': '127.0.0.1/32' } });
    const answer = await proxyGet({ ...request, ...proxy.way });
    assert.equal(answer.status, 403);
    assert.match(answer.body.toString(), /--egress-allow/);
    assert.equal(other.requests.length, 1);
  });

  it('follows no redirect to a host that --deny closes', async () => {
    await proxy.close();
    proxy = await startProxy({ registries: [registry], flags: { deny: registry.cdnAuthority } });
    registry.delivery = { redirect: 307 };
    const answer = await proxyGet({ ...request, ...proxy.way });
    assert.equal(answer.status, 403);
    assert.match(answer.body.toString(), /closed by --deny/);
    assert.equal(registry.hits({ server: 'cdn' }), 0);
  });
});
