import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { headerValue } from '../../src/http/headers.js';
import type { UpstreamClient } from '../../src/upstream/contract.js';
import { createRateLimits, type RateLimit, type RateLimits } from '../../src/upstream/rate-limits.js';

const target = { scheme: 'https', host: 'registry.test', port: 443 } as const;
const MANIFEST = { target, method: 'GET', path: '/v2/a/manifests/v1', headers: [] };
const HEAD = { ...MANIFEST, method: 'HEAD' };

describe('upstream/rate-limits', () => {
  let now: number;
  let sent: string[];
  let answer: { status: number; headers: string[] };
  let told: RateLimit[];
  let limits: RateLimits;
  const upstream: UpstreamClient = {
    async send({ method, target: { host } }) {
      sent.push(`${method} ${host}`);
      return { ...answer, body: Readable.from([]), discard() {} };
    },
    async close() {},
  };

  beforeEach(() => {
    now = 1000;
    sent = [];
    told = [];
    answer = { status: 429, headers: ['Retry-After', '30'] };
    limits = createRateLimits({ onLimit: (limit) => void told.push(limit), now: () => now });
  });

  it('gives the 429 again, with what is left of the time, without asking (H05)', async () => {
    const client = limits.limited(upstream, 'alice');
    assert.equal((await client.send(HEAD)).status, 429);
    now += 10_000;
    const again = await client.send(HEAD);
    assert.deepEqual([again.status, headerValue(again.headers, 'retry-after')], [429, '20']);
    let body = '';
    for await (const piece of again.body) body += String(piece);
    assert.equal(JSON.parse(body).errors[0].code, 'TOOMANYREQUESTS');
    assert.equal(headerValue(again.headers, 'content-length'), String(body.length));
    assert.equal(sent.length, 1);
  });

  it('asks again when the time is over, one at a time, and forgets a limit that has ended', async () => {
    const client = limits.limited(upstream, 'alice');
    await client.send(HEAD);
    now += 30_000;
    await Promise.all([client.send(HEAD), client.send(HEAD), client.send(HEAD)]);
    assert.equal(sent.length, 2);
    answer = { status: 200, headers: [] };
    now += 30_000;
    for (let i = 0; i < 3; i += 1) assert.equal((await client.send(HEAD)).status, 200);
  });

  it('holds nobody else, and no other registry', async () => {
    await limits.limited(upstream, 'alice').send(HEAD);
    await limits.limited(upstream, 'bob').send(HEAD);
    await limits.limited(upstream, 'alice').send({ ...HEAD, target: { ...target, host: 'other.test' } });
    assert.equal(sent.length, 3);
  });

  it('holds nobody at a host whom another registry has sent there', async () => {
    const client = limits.limited(upstream, 'nobody');
    const evil = { ...target, host: 'evil.test' };
    assert.equal((await client.send({ ...HEAD, onBehalfOf: evil })).status, 429);
    answer = { status: 200, headers: ['RateLimit-Limit', '100', 'RateLimit-Remaining', '0'] };
    assert.equal((await client.send(HEAD)).status, 200);
    assert.equal((await client.send({ ...HEAD, onBehalfOf: { ...target, host: 'good.test' } })).status, 200);
    assert.equal((await client.send({ ...HEAD, onBehalfOf: evil })).status, 429);
    assert.equal(told.length, 1);
  });

  it('leaves everything but pulls alone where a pull was one too many', async () => {
    const client = limits.limited(upstream, 'alice');
    await client.send(MANIFEST);
    answer = { status: 200, headers: [] };
    assert.equal((await client.send(HEAD)).status, 200);
    assert.equal((await client.send({ ...MANIFEST, path: '/v2/a/blobs/x' })).status, 200);
    assert.equal((await client.send(MANIFEST)).status, 429);
    assert.equal(sent.length, 3);
  });

  it('believes an absurd time for a minute at most, and waits five seconds where none is given (H05)', async () => {
    const client = limits.limited(upstream, 'alice');
    answer = { status: 429, headers: ['Retry-After', '999999999'] };
    await client.send(HEAD);
    now += 59_999;
    await client.send(HEAD);
    assert.equal(sent.length, 1);
    now += 1;
    answer = { status: 429, headers: [] };
    await client.send(HEAD);
    assert.equal(sent.length, 2);
    now += 4999;
    const again = await client.send(HEAD);
    assert.equal(headerValue(again.headers, 'retry-after'), '1');
    assert.equal(sent.length, 2);
  });

  it('tells of what is left, and once each time that it comes down to a fifth or to nothing', async () => {
    const client = limits.limited(upstream, 'alice');
    for (const remaining of [100, 20, 19, 0, 0, 90, 10]) {
      const headers = ['RateLimit-Limit', '100;w=21600', 'RateLimit-Remaining', `${remaining};w=21600`];
      answer = { status: 200, headers };
      await client.send(HEAD);
    }
    assert.deepEqual(
      told.map(({ remaining, limit, became }) => [remaining, limit, became]),
      [
        [100, 100, undefined],
        [20, 100, 'low'],
        [19, 100, undefined],
        [0, 100, 'empty'],
        [0, 100, undefined],
        [90, 100, undefined],
        [10, 100, 'low'],
      ],
    );
    answer = { status: 200, headers: ['RateLimit-Remaining', 'lots'] };
    await client.send(HEAD);
    assert.equal(told.length, 7);
  });
});
