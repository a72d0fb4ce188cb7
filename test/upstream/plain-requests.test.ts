import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { formatAuthority } from '../../src/net/authority.js';
import { parseNoProxy } from '../../src/net/no-proxy.js';
import type { ParentAddress, Way } from '../../src/net/parent-address.js';
import { createBlobClient } from '../../src/upstream/blob-client.js';
import { createUpstreamClient } from '../../src/upstream/client.js';
import type { UpstreamClient } from '../../src/upstream/contract.js';
import { createParents } from '../../src/upstream/parents.js';
import { withPlainRequests } from '../../src/upstream/plain-requests.js';
import { type FakeParent, startFakeParent } from '../support/fake-parent.js';
import { loopbackGuard, type Server, serve, testTrust, textOf } from './loopback.js';

const TIMEOUTS = { connectMs: 5000, headMs: 5000, idleMs: 5000 };
const DEAD: ParentAddress = { scheme: 'http', host: '127.0.0.1', port: 1 };

describe('upstream/plain-requests', () => {
  let parent: FakeParent;
  let server: Server;
  let client: UpstreamClient | undefined;

  beforeEach(async () => {
    parent = await startFakeParent();
    server = await serve((request, response) => void textOf(request).then((text) => response.end(`hello ${text}`)));
  });
  afterEach(async () => {
    await client?.close();
    await parent.kill();
    await server.close();
  });

  function make(ways: readonly Way[], create: typeof createUpstreamClient = createUpstreamClient): UpstreamClient {
    const parents = createParents({
      ways: { https: [], http: ways },
      noProxy: parseNoProxy([]),
      credentials: new Map([[formatAuthority('127.0.0.1', parent.address.port), 'Basic Ym9iOng=']]),
      guard: loopbackGuard(),
      trust: testTrust(),
      via: '1.1 me',
      timeouts: { dialMs: 1000, tlsMs: 5000, answerMs: 5000 },
    });
    const options = { guard: loopbackGuard(), trust: testTrust() };
    client = withPlainRequests({
      client: create({ ...options, parents }, TIMEOUTS),
      toParents: create(options, TIMEOUTS),
      parents,
      check: ({ host }) => assert.notEqual(host, 'denied.test'),
    });
    return client;
  }

  const get = (host = 'registry.test') =>
    ({ target: server.target('http', host), method: 'GET', path: '/v2/?a=b', headers: ['Accept', '*/*'] }) as const;

  it('sends requests without TLS to a parent in absolute form, under the Host and with the password that are right', async () => {
    for (const create of [createUpstreamClient, createBlobClient]) {
      const answer = await make([parent.address], create).send(get());
      assert.equal(await textOf(answer.body), 'hello ');
      await client?.close();
    }
    assert.deepEqual(parent.seen, Array(2).fill(`GET http://registry.test:${server.port}/v2/?a=b`));
    for (const headers of parent.headers) {
      assert.equal(headers.host, `registry.test:${server.port}`);
      assert.equal(headers['proxy-authorization'], 'Basic Ym9iOng=');
    }
    assert.equal(server.seen[0]?.headers.host, `registry.test:${server.port}`);
  });

  it('goes on to the next, and straight, without the password of a parent', async () => {
    assert.equal(await textOf((await make([DEAD, parent.address]).send(get())).body), 'hello ');
    assert.equal(await textOf((await make([DEAD, 'direct']).send(get())).body), 'hello ');
    assert.equal(parent.seen.length, 1);
    assert.equal(server.seen[1]?.headers['proxy-authorization'], undefined);
  });

  it('says that a parent asks for a password', async () => {
    parent.refuse(407);
    await assert.rejects(make([parent.address, 'direct']).send(get()), { code: 'upstream-parent' });
    assert.equal(server.seen.length, 0);
  });

  it('checks first what may be reached at all', async () => {
    await assert.rejects(make([parent.address]).send(get('denied.test')), { name: 'AssertionError' });
    assert.deepEqual(parent.seen, []);
  });

  it('sends an upload to the next parent only where nothing of it can have gone to the first', async () => {
    const upload = () => ({ ...get(), method: 'PUT', body: Readable.from(['bytes']) });
    assert.equal(await textOf((await make([DEAD, parent.address]).send(upload())).body), 'hello bytes');
    await client?.close();
    const breaking = await serve((request) => request.socket.destroy());
    const first: ParentAddress = { ...DEAD, port: breaking.port };
    await assert.rejects(make([first, parent.address]).send(upload()), { code: 'upstream-parent' });
    assert.equal(parent.seen.length, 1);
    await breaking.close();
  });
});
