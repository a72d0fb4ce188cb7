import assert from 'node:assert/strict';
import type { UpstreamClient } from '../../src/upstream/contract.js';
import { askWhetherRegistry } from '../../src/upstream/registry-question.js';
import { type Server, serve, testClient } from './loopback.js';

const BEARER = { 'WWW-Authenticate': 'Bearer realm="https://auth.test/token"' };
const VERSION = { 'Docker-Distribution-Api-Version': 'registry/2.0' };

describe('upstream/registry-question', () => {
  let client: UpstreamClient;
  let server: Server;

  beforeEach(() => {
    client = testClient();
  });
  afterEach(async () => {
    await client.close();
    await server.close();
  });

  const table: readonly [number, Record<string, string>, string][] = [
    [200, VERSION, 'registry'],
    [401, VERSION, 'registry'],
    [404, VERSION, 'registry'],
    [401, BEARER, 'registry'],
    [401, { 'WWW-Authenticate': 'Basic realm="x", Bearer realm="https://auth.test/token"' }, 'registry'],
    [401, { 'WWW-Authenticate': 'Bearer' }, 'other'],
    [401, { 'WWW-Authenticate': 'Basic realm="x"' }, 'other'],
    [403, BEARER, 'other'],
    [200, { 'Content-Type': 'text/html' }, 'other'],
    [404, {}, 'other'],
    [302, { Location: '/login' }, 'other'],
    [429, {}, 'unknown'],
    [429, BEARER, 'unknown'],
    [500, {}, 'unknown'],
    [503, BEARER, 'unknown'],
  ];
  for (const [status, headers, expected] of table) {
    it(`takes ${status} with ${JSON.stringify(headers)} for ${expected}`, async () => {
      server = await serve((_request, response) => response.writeHead(status, headers).end('{}'));
      assert.equal(await askWhetherRegistry(client, server.target(), AbortSignal.timeout(5000)), expected);
      const [seen] = server.seen;
      assert.deepEqual([server.seen.length, seen?.method, seen?.url], [1, 'GET', '/v2/']);
      assert.equal(seen?.headers.authorization, undefined);
    });
  }

  it('has no verdict where nobody answers, or the question is taken back', async () => {
    server = await serve((request) => request.socket.destroy());
    assert.equal(await askWhetherRegistry(client, server.target(), AbortSignal.timeout(5000)), 'unknown');
    assert.equal(await askWhetherRegistry(client, server.target(), AbortSignal.abort()), 'unknown');
  });
});
