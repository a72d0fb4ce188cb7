import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import type { Target } from '../../src/http/exchange.js';
import type { UpstreamClient, UpstreamRequest } from '../../src/upstream/contract.js';
import { withRedirectPorts } from '../../src/upstream/redirect-ports.js';
import { sendFollowing } from '../../src/upstream/redirects.js';

const REGISTRY: Target = { scheme: 'https', host: 'registry.test', port: 5000 };

describe('upstream/redirect-ports', () => {
  /** Redirects what it is asked at the registry, and answers everywhere else. */
  function registryThatLeadsTo(location: string) {
    const sent: UpstreamRequest[] = [];
    const client: UpstreamClient = {
      async send(request) {
        sent.push(request);
        const away = request.target.host === 'registry.test' && request.path === '/';
        const headers = away ? ['Location', location] : [];
        return { status: away ? 307 : 200, headers, body: Readable.from([]), discard: () => {} };
      },
      close: async () => {},
    };
    const isOpen = (host: string, port: number): boolean => port === 8443 || (host === 'cdn.test' && port === 9000);
    return { client: withRedirectPorts(client, isOpen), sent };
  }

  const follow = (client: UpstreamClient) =>
    sendFollowing(client, { target: REGISTRY, method: 'GET', path: '/', headers: [] });

  for (const location of [
    'https://cdn.test/blob',
    'https://other.test:5000/blob',
    'https://other.test:8443/blob',
    'https://cdn.test:9000/blob',
    '/blob',
  ]) {
    it(`A06: follows to ${location}`, async () => {
      assert.equal((await follow(registryThatLeadsTo(location).client)).status, 200);
    });
  }

  for (const location of [
    'https://cdn.test:22/',
    'https://10.0.0.1:6443/api',
    'https://other.test:9000/',
    'https://a.test:80/',
  ]) {
    it(`A06: does not follow to ${location}, and says so`, async () => {
      const { client, sent } = registryThatLeadsTo(location);
      await assert.rejects(follow(client), (error: Error & { code?: string }) => {
        assert.equal(error.code, 'upstream-redirect');
        assert.match(error.message, /^registry\.test leads to port \d+ of [\w.]+, which is not open; --connect-ports/);
        return true;
      });
      assert.equal(sent.length, 1);
    });
  }

  it('lets a client’s own request through to wherever the door let it', async () => {
    const { client } = registryThatLeadsTo('/x');
    const target = { ...REGISTRY, host: 'odd.test', port: 1234 };
    assert.equal((await client.send({ target, method: 'GET', path: '/', headers: [] })).status, 200);
  });
});
