import assert from 'node:assert/strict';
import { createMetrics, type Metrics } from '../../src/telemetry/metrics.js';

async function lines(metrics: Metrics): Promise<readonly string[]> {
  return (await metrics.render()).body.split('\n');
}

describe('telemetry/metrics', () => {
  it('sums up over all registries', async () => {
    const metrics = createMetrics({ nodeDefaults: false });
    assert.deepEqual(await metrics.totals(), { requests: {}, sentBytes: {} });
    for (const registry of ['docker.io', 'ghcr.io']) {
      metrics.request({ registry, kind: 'blob', cache: 'hit' });
      metrics.sentBytes(registry, 'cache', 100);
    }
    metrics.request({ registry: 'ghcr.io', kind: 'manifest', cache: 'miss' });
    assert.deepEqual(await metrics.totals(), { requests: { hit: 2, miss: 1 }, sentBytes: { cache: 200 } });
  });

  it('counts requests and bytes under the promised names', async () => {
    const metrics = createMetrics({ nodeDefaults: false });
    metrics.request({ registry: 'docker.io', kind: 'blob', cache: 'hit' });
    metrics.requestSeconds({ kind: 'blob', cache: 'hit' }, 0.02);
    metrics.sentBytes('docker.io', 'cache', 100);
    metrics.upstreamRequest({ registry: 'docker.io', kind: 'manifest', method: 'HEAD', status: 200 });
    metrics.upstreamBytes('docker.io', 7);
    metrics.retried('registry-1.docker.io');
    metrics.resumed('docker.io');
    metrics.eviction(2, 300);
    metrics.ratelimitRemaining('docker.io', 99);
    metrics.fault('upstream-dns');
    const text = await lines(metrics);
    for (const expected of [
      'entrepot_requests_total{registry="docker.io",kind="blob",cache="hit"} 1',
      'entrepot_request_seconds_count{kind="blob",cache="hit"} 1',
      'entrepot_sent_bytes_total{registry="docker.io",source="cache"} 100',
      'entrepot_upstream_requests_total{registry="docker.io",kind="manifest",method="HEAD",status="200"} 1',
      'entrepot_upstream_bytes_total{registry="docker.io"} 7',
      'entrepot_retries_total{host="registry-1.docker.io"} 1',
      'entrepot_resumes_total{registry="docker.io"} 1',
      'entrepot_evictions_total 2',
      'entrepot_evicted_bytes_total 300',
      'entrepot_ratelimit_remaining{registry="docker.io"} 99',
      'entrepot_faults_total{code="upstream-dns",source="upstream"} 1',
      'entrepot_faults_total{code="client-gone",source="downstream"} 0',
    ]) {
      assert.ok(text.includes(expected), `${expected} is missing`);
    }
  });

  it('reads levels when asked, 0 where nobody watches or the reader throws', async () => {
    const metrics = createMetrics({ nodeDefaults: false });
    let tunnels = 1;
    metrics.watch('tunnels', () => tunnels);
    metrics.watch('storeBytes', () => {
      throw new Error('closed');
    });
    assert.ok((await lines(metrics)).includes('entrepot_tunnels 1'));
    tunnels = 5;
    const text = await lines(metrics);
    assert.ok(text.includes('entrepot_tunnels 5'));
    assert.ok(text.includes('entrepot_store_bytes 0'));
    assert.ok(text.includes('entrepot_fills_in_flight 0'));
  });

  it('reads sums that others keep, as counters', async () => {
    const metrics = createMetrics({ nodeDefaults: false });
    let bytes = 5;
    metrics.watch('scrubbedBytes', () => bytes);
    await metrics.render();
    bytes = 7;
    const text = await lines(metrics);
    assert.ok(text.includes('entrepot_scrubbed_bytes_total 7'));
    assert.ok(text.includes('# TYPE entrepot_scrubbed_bytes_total counter'));
    assert.ok(text.includes('# TYPE entrepot_scrub_ratio gauge'));
  });

  it('gives at most 200 registries a label of their own, over all metrics together (K09)', async () => {
    const metrics = createMetrics({ nodeDefaults: false });
    for (let n = 0; n < 300; n += 1) metrics.sentBytes(`r${n}.example`, 'upstream', 1);
    metrics.upstreamBytes('late.example', 3);
    const text = await lines(metrics);
    const series = text.filter((line) => line.startsWith('entrepot_sent_bytes_total{'));
    assert.equal(series.length, 201);
    assert.ok(text.includes('entrepot_sent_bytes_total{registry="other",source="upstream"} 100'));
    assert.ok(text.includes('entrepot_upstream_bytes_total{registry="other"} 3'));
  });

  it('escapes what a client put into a label', async () => {
    const metrics = createMetrics({ nodeDefaults: false });
    metrics.upstreamBytes('a"} 1\nforged 1', 1);
    assert.ok(!(await lines(metrics)).includes('forged 1'));
  });

  it("keeps two instances apart and has Node's own metrics by default", async () => {
    const one = createMetrics();
    const other = createMetrics();
    one.eviction(1, 1);
    assert.ok((await lines(other)).includes('entrepot_evictions_total 0'));
    const { contentType, body } = await one.render();
    assert.match(contentType, /^text\/plain; version=0\.0\.4/);
    assert.match(body, /^process_cpu_seconds_total /m);
    assert.match(body, /^nodejs_eventloop_lag_seconds /m);
  });
});
