import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { type FaultCode, ProxyError } from '../../src/errors.js';
import type { UpstreamClient, UpstreamRequest, UpstreamResponse } from '../../src/upstream/contract.js';
import { withRetries } from '../../src/upstream/retries.js';

const TARGET = { scheme: 'https', host: 'registry.test', port: 443 } as const;

/** A client that answers with these statuses and faults in turn, the last one for ever. */
function clientOf(answers: readonly (number | FaultCode)[], headers: readonly string[] = []) {
  const sent: UpstreamRequest[] = [];
  let discarded = 0;
  const client: UpstreamClient = {
    async send(request): Promise<UpstreamResponse> {
      const answer = answers[Math.min(sent.length, answers.length - 1)] ?? 200;
      sent.push(request);
      if (typeof answer === 'string') throw new ProxyError(answer, 'no');
      return { status: answer, headers, body: Readable.from([]), discard: () => void (discarded += 1) };
    },
    close: async () => {},
  };
  return {
    client: withRetries(client, { pauseMs: 1 }),
    sent,
    get discarded() {
      return discarded;
    },
  };
}

function get(more: Partial<UpstreamRequest> = {}): UpstreamRequest {
  return { target: TARGET, method: 'GET', path: '/v2/', headers: [], ...more };
}

describe('upstream/retries', () => {
  for (const status of [500, 502, 503, 504]) {
    it(`H06: a GET or HEAD that gets ${status} is sent once more`, async () => {
      for (const method of ['GET', 'HEAD']) {
        const upstream = clientOf([status, 200]);
        assert.equal((await upstream.client.send(get({ method }))).status, 200);
        assert.deepEqual([upstream.sent.length, upstream.discarded], [2, 1]);
      }
    });
  }

  it('H06: what fails twice is the answer', async () => {
    const upstream = clientOf([503]);
    assert.equal((await upstream.client.send(get())).status, 503);
    assert.deepEqual([upstream.sent.length, upstream.discarded], [2, 1]);
  });

  for (const code of ['upstream-connect', 'upstream-dns'] as const) {
    it(`H06: a GET that fails with ${code} is sent once more`, async () => {
      const upstream = clientOf([code, 200]);
      assert.equal((await upstream.client.send(get())).status, 200);
      await assert.rejects(clientOf([code]).client.send(get()), { code });
    });
  }

  it('sends nothing twice that could have had an effect, or has a body', async () => {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      const upstream = clientOf([503, 200]);
      assert.equal((await upstream.client.send(get({ method }))).status, 503);
      const broken = clientOf(['upstream-connect', 200]);
      await assert.rejects(broken.client.send(get({ method })), { code: 'upstream-connect' });
      assert.deepEqual([upstream.sent.length, broken.sent.length], [1, 1]);
    }
    const upstream = clientOf([503, 200]);
    assert.equal((await upstream.client.send(get({ body: Readable.from(['x']) }))).status, 503);
  });

  it('takes an answer for what it is: refusals, limits, and when to come back', async () => {
    for (const status of [200, 206, 307, 401, 403, 404, 429, 501, 505]) {
      const upstream = clientOf([status, 200]);
      assert.equal((await upstream.client.send(get())).status, status);
      assert.equal(upstream.sent.length, 1);
    }
    const told = clientOf([503, 200], ['Retry-After', '30']);
    assert.equal((await told.client.send(get())).status, 503);
  });

  it('does not wait a second time for what has timed out, nor for what was refused here', async () => {
    for (const code of ['upstream-timeout', 'egress-refused', 'upstream-tls', 'upstream-protocol'] as const) {
      const upstream = clientOf([code, 200]);
      await assert.rejects(upstream.client.send(get()), { code });
      assert.equal(upstream.sent.length, 1);
    }
  });

  it('gives up repeating to a host that has many faults', async () => {
    const upstream = clientOf([503]);
    for (let i = 0; i < 100; i += 1) await upstream.client.send(get());
    assert.ok(upstream.sent.length < 120, `${upstream.sent.length} requests for 100`);
    const before = upstream.sent.length;
    await upstream.client.send(get({ target: { ...TARGET, host: 'other.test' } }));
    assert.equal(upstream.sent.length - before, 2);
  });

  it('sends nothing for a client that has gone', async () => {
    const gone = new AbortController();
    const upstream = clientOf([503, 200]);
    const answer = upstream.client.send(get({ signal: gone.signal }));
    gone.abort();
    await answer.catch(() => {});
    assert.equal(upstream.sent.length, 1);
  });
});
