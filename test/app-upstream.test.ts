import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createUpstreams, type Upstreams } from '../src/app-upstream.js';
import { loadConfig } from '../src/config/load.js';
import { createHostPolicy } from '../src/proxy/verdict.js';
import { createLogger } from '../src/telemetry/log.js';
import { type FakeParent, startFakeParent } from './support/fake-parent.js';
import { authority, loopbackGuard, type Server, serve, testTrust, textOf } from './upstream/loopback.js';

describe('app-upstream', () => {
  let parent: FakeParent;
  let server: Server;
  let upstreams: Upstreams;
  let retried: string[];

  beforeEach(async () => {
    retried = [];
    parent = await startFakeParent();
    server = await serve((_request, response) => response.end('hello'), authority.issue(['registry.test']));
  });
  afterEach(async () => {
    await upstreams.close();
    await parent.kill();
    await server.close();
  });

  function make(flags: Readonly<Record<string, string>>, env: Readonly<Record<string, string>> = {}): Upstreams {
    upstreams = createUpstreams({
      config: loadConfig({ flags, env, cwd: '/' }),
      guard: loopbackGuard(),
      trust: testTrust(),
      policy: createHostPolicy({ intercept: ['none'], tunnel: [], deny: ['denied.test'], connectPorts: [443] }),
      viaId: 'me',
      ownListeners: () => [],
      logger: createLogger({ level: 'silent', format: 'json' }),
      onRetry: (host) => void retried.push(host),
    });
    return upstreams;
  }

  async function useAll({ requests, blobs, connect, dialTunnel }: Upstreams): Promise<void> {
    const target = server.target('https', 'registry.test');
    for (const client of [requests, blobs]) {
      const answer = await client.send({ target, method: 'GET', path: '/', headers: [] });
      assert.equal(await textOf(answer.body), 'hello');
    }
    const { signal } = new AbortController();
    const sockets = [await connect(target), await dialTunnel({ ...target, signal, passedVia: '1.1 other' })];
    for (const socket of sockets) {
      socket.destroy();
      if (!socket.closed) await once(socket, 'close');
    }
  }

  it('A06: follows no redirect to a port that is not open', async () => {
    const { requests } = make({});
    const ask = (port: number) =>
      requests.send({
        target: server.target('https', 'registry.test'),
        onBehalfOf: { scheme: 'https', host: 'other.test', port },
        method: 'GET',
        path: '/',
        headers: [],
      });
    assert.equal(await textOf((await ask(server.port)).body), 'hello');
    await assert.rejects(ask(443), { code: 'upstream-redirect' });
  });

  it('H06: tells of each request that is sent a second time', async () => {
    const { requests, blobs } = make({});
    await server.close();
    for (const client of [requests, blobs]) {
      const sent = client.send({
        target: server.target('https', 'registry.test'),
        method: 'GET',
        path: '/',
        headers: [],
      });
      await assert.rejects(sent, { code: 'upstream-connect' });
    }
    assert.deepEqual(retried, ['registry.test', 'registry.test']);
  });

  it('goes straight where no parent is set, whatever the environment says', async () => {
    const name = `http://127.0.0.1:${parent.address.port}`;
    await useAll(make({}, { HTTPS_PROXY: name, HTTP_PROXY: name }));
    assert.deepEqual(parent.seen, []);
  });

  it('takes the parent for requests, blobs, upgrades and tunnels, which bring the Via of their client along', async () => {
    await useAll(make({ 'upstream-proxy': `http://127.0.0.1:${parent.address.port}` }));
    assert.deepEqual(parent.seen, Array(4).fill(`CONNECT registry.test:${server.port}`));
    assert.deepEqual(
      parent.headers.map(({ via }) => via),
      ['1.1 entrepot-me', '1.1 entrepot-me', '1.1 entrepot-me', '1.1 other, 1.1 entrepot-me'],
    );
    assert.deepEqual(upstreams.parentsLeftOut(), []);
  });

  it('takes the parent of the environment where that is asked for', async () => {
    await useAll(make({ 'upstream-proxy': 'env' }, { HTTPS_PROXY: `http://127.0.0.1:${parent.address.port}` }));
    assert.equal(parent.seen.length, 4);
  });

  it('lets no request without TLS through a parent to what is denied', async () => {
    const { requests } = make({ 'upstream-proxy': `http://127.0.0.1:${parent.address.port}` });
    const ask = (host: string) =>
      requests.send({ target: { scheme: 'http', host, port: 80 }, method: 'GET', path: '/', headers: [] });
    await assert.rejects(ask('denied.test'), { code: 'egress-refused' });
    await assert.rejects(ask('169.254.169.254'), { code: 'egress-refused' });
    assert.deepEqual(parent.seen, []);
  });
});
