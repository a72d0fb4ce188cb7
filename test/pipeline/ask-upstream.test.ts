import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import type { Exchange } from '../../src/http/exchange.js';
import { announcedLength, upstreamFor } from '../../src/pipeline/ask-upstream.js';
import type { PipelineContext } from '../../src/pipeline/context.js';
import { startTrace } from '../../src/pipeline/trace.js';
import { createMetrics } from '../../src/telemetry/metrics.js';
import type { UpstreamClient } from '../../src/upstream/contract.js';

describe('pipeline/ask-upstream', () => {
  it('counts each request with its answer, or with none, and the time that was waited', async () => {
    const metrics = createMetrics({ nodeDefaults: false });
    const trace = startTrace({ id: 'x' } as Exchange, { kind: 'ping' }, 'registry.test');
    const answers = [200, 404, undefined];
    const client: UpstreamClient = {
      async send() {
        await new Promise((resolve) => setImmediate(resolve));
        const status = answers.shift();
        if (status === undefined) throw new Error('nobody there');
        return { status, headers: [], body: Readable.from([]), discard: () => {} };
      },
      close: async () => {},
    };
    const upstream = upstreamFor({ metrics } as PipelineContext, trace, client);
    const request = {
      target: { scheme: 'https', host: 'registry.test', port: 443 },
      method: 'GET',
      path: '/',
      headers: [],
    } as const;
    assert.equal((await upstream.send(request)).status, 200);
    const waitedMs = trace.upstreamMs;
    assert.ok(waitedMs > 0);
    assert.equal((await upstream.send(request)).status, 404);
    await assert.rejects(upstream.send(request), /nobody there/);
    assert.ok(trace.upstreamMs > waitedMs);
    const lines = (await metrics.render()).body
      .split('\n')
      .filter((line) => line.startsWith('entrepot_upstream_requests_total{'));
    assert.equal(lines.length, 3);
    for (const line of lines)
      assert.match(line, /registry="registry\.test",kind="ping",method="GET",status="[^"]+"\} 1$/);
  });

  it('reads a length that makes sense', () => {
    assert.equal(announcedLength({ headers: ['content-length', '7'] }), 7);
    assert.equal(announcedLength({ headers: [] }), undefined);
    assert.equal(announcedLength({ headers: ['Content-Length', '-1'] }), undefined);
  });
});
