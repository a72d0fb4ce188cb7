import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { ProxyError } from '../../src/errors.js';
import type { RawHeaders, Target } from '../../src/http/exchange.js';
import type { UpstreamClient, UpstreamRequest } from '../../src/upstream/contract.js';
import { headersForHop, sendFollowing } from '../../src/upstream/redirects.js';

const REGISTRY: Target = { scheme: 'https', host: 'registry.test', port: 443 };
const SECRETS = ['Authorization', 'Bearer t', 'Cookie', 'c=1', 'X-JFrog-Art-Api', 'k'];
const HARMLESS = ['Accept', '*/*', 'accept-encoding', 'identity', 'Range', 'bytes=0-0', 'User-Agent', 'x', 'Via', 'v'];

interface Script {
  readonly client: UpstreamClient;
  /** What was sent, as URL and headers. */
  readonly sent: { readonly url: string; readonly headers: RawHeaders }[];
  /** Answers whose bodies nobody has read or discarded. */
  readonly left: Set<number>;
}

/** Answers each request with the Location that stands for its URL, and with 200 where none does. */
function script(locations: Readonly<Record<string, string | undefined>>, status = 307): Script {
  const sent: { url: string; headers: RawHeaders }[] = [];
  const left = new Set<number>();
  async function send({ target, path, headers }: UpstreamRequest) {
    const url = `${target.scheme}://${target.host}:${target.port}${path}`;
    const number = sent.push({ url, headers });
    left.add(number);
    const redirects = url in locations;
    const location = locations[url];
    return {
      status: redirects ? status : 200,
      headers: location === undefined ? [] : ['Location', location],
      body: Readable.from(['body']),
      discard: () => void left.delete(number),
    };
  }
  return { client: { send, close: async () => {} }, sent, left };
}

function request(extra: Partial<UpstreamRequest> = {}): UpstreamRequest {
  return { target: REGISTRY, method: 'GET', path: '/v2/a/blobs/d?ns=x', headers: [...SECRETS, ...HARMLESS], ...extra };
}

const START = 'https://registry.test:443/v2/a/blobs/d?ns=x';

function isRedirectFault(error: unknown): boolean {
  return error instanceof ProxyError && error.code === 'upstream-redirect' && error.source === 'upstream';
}

describe('upstream/redirects', () => {
  const hops: readonly [string, Target, boolean][] = [
    ['the same origin', REGISTRY, true],
    ['another host', { ...REGISTRY, host: 'cdn.test' }, false],
    ['a host below', { ...REGISTRY, host: 'cdn.registry.test' }, false],
    ['another port', { ...REGISTRY, port: 8443 }, false],
    ['another scheme', { ...REGISTRY, scheme: 'http' }, false],
  ];
  for (const [what, to, carries] of hops) {
    it(`${carries ? 'carries' : 'leaves behind'} whatever may be a credential on the way to ${what}`, () => {
      const expected = carries ? [...SECRETS, ...HARMLESS] : HARMLESS;
      assert.deepEqual(headersForHop([...SECRETS, ...HARMLESS], REGISTRY, to), expected);
    });
  }

  const places = [
    ['https://cdn.test/data?sig=a%2Fb', 'https://cdn.test:443/data?sig=a%2Fb'],
    ['//cdn.test:8443/data', 'https://cdn.test:8443/data'],
    ['/elsewhere?x', 'https://registry.test:443/elsewhere?x'],
    ['sibling', 'https://registry.test:443/v2/a/blobs/sibling'],
    ['https://user:secret@cdn.test/data#part', 'https://cdn.test:443/data'],
    ['https://CDN.test./data', 'https://cdn.test:443/data'],
    ['https://[2001:db8::1]/data', 'https://2001:db8::1:443/data'],
  ] as const;
  for (const [location, url] of places) {
    it(`follows ${location}`, async () => {
      const { client, sent, left } = script({ [START]: location });
      const response = await sendFollowing(client, request());
      assert.equal(response.status, 200);
      assert.deepEqual(
        sent.map((each) => each.url),
        [START, url],
      );
      assert.deepEqual([...left], [2], 'the answer that redirected is discarded, the last one is not');
    });
  }

  const dead = [
    ['nothing at all', undefined],
    ['an empty place', ''],
    ['a script', 'javascript:alert(1)'],
    ['a file', 'file:///etc/passwd'],
    ['plain http', 'http://cdn.test/data'],
    ['no URL', 'https://'],
    ['a host that is none', 'https://a..b/data'],
    ['port 0', 'https://cdn.test:0/data'],
  ] as const;
  for (const [what, location] of dead) {
    it(`does not follow to ${what}, blames the registry and frees the connection`, async () => {
      const { client, sent, left } = script({ [START]: location });
      await assert.rejects(sendFollowing(client, request()), isRedirectFault);
      assert.deepEqual([sent.length, left.size], [1, 0]);
    });
  }

  it('tells no signed address in the fault', async () => {
    const { client } = script({ [START]: 'http://cdn.test/data?signature=SECRET' });
    await assert.rejects(sendFollowing(client, request()), (error: Error) => !error.message.includes('SECRET'));
  });

  it('follows from http to https and from http to http', async () => {
    const plain = { ...REGISTRY, scheme: 'http' as const, port: 80 };
    const from = 'http://registry.test:80/v2/a/blobs/d?ns=x';
    for (const location of ['https://cdn.test/data', 'http://cdn.test/data']) {
      const { client, sent } = script({ [from]: location });
      await sendFollowing(client, request({ target: plain }));
      assert.deepEqual(sent[1]?.headers, HARMLESS);
    }
  });

  for (const status of [301, 302, 303, 307, 308]) {
    it(`takes ${status} for a redirect and keeps the range`, async () => {
      const { client, sent } = script({ [START]: '/there' }, status);
      assert.equal((await sendFollowing(client, request())).status, 200);
      assert.deepEqual(sent[1]?.headers, [...SECRETS, ...HARMLESS]);
    });
  }

  for (const status of [300, 304, 305, 401, 500]) {
    it(`gives a ${status} back as it is`, async () => {
      const { client, sent, left } = script({ [START]: '/there' }, status);
      assert.equal((await sendFollowing(client, request())).status, status);
      assert.deepEqual([sent.length, left.size], [1, 1]);
    });
  }

  it('follows five times and not six', async () => {
    const chain = Object.fromEntries(
      ['/v2/a/blobs/d?ns=x', '/1', '/2', '/3', '/4'].map((path, i) => [
        `https://registry.test:443${path}`,
        `/${i + 1}`,
      ]),
    );
    const five = script(chain);
    assert.equal((await sendFollowing(five.client, request())).status, 200);
    const six = script({ ...chain, 'https://registry.test:443/5': '/6' });
    await assert.rejects(sendFollowing(six.client, request()), isRedirectFault);
    assert.deepEqual([six.sent.length, six.left.size], [6, 0]);
  });

  it('stops in a circle', async () => {
    const { client, sent } = script({ [START]: START });
    await assert.rejects(sendFollowing(client, request()), isRedirectFault);
    assert.equal(sent.length, 6);
  });

  it('does not pick a credential up again where the way leads back', async () => {
    const { client, sent } = script({
      [START]: 'https://cdn.test/x',
      'https://cdn.test:443/x': 'https://registry.test/y',
    });
    await sendFollowing(client, request());
    assert.equal(sent[2]?.url, 'https://registry.test:443/y');
    assert.deepEqual(sent[2]?.headers, HARMLESS);
  });
});
