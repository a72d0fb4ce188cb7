import assert from 'node:assert/strict';
import { createOutage } from '../src/app-outage.js';
import { ProxyError } from '../src/errors.js';
import type { LogFields } from '../src/telemetry/log.js';
import { createMetrics } from '../src/telemetry/metrics.js';
import { createMemoryFacts } from './support/memory-facts.js';

const target = { scheme: 'https', host: 'registry.test', port: 443 } as const;
const GONE = new ProxyError('upstream-connect', 'nobody is there');

describe('app-outage', () => {
  let log: { message: string; fields: LogFields }[];
  let asked: string[];

  beforeEach(() => {
    log = [];
    asked = [];
  });

  function open(config: { outage?: 'serve' | 'fail'; offline?: boolean; tagTtlMs?: number } = {}) {
    const write = (fields: LogFields, message: string) => void log.push({ fields, message });
    const metrics = createMetrics({ nodeDefaults: false });
    const gone = {
      send: async () => {
        asked.push('http');
        throw GONE;
      },
      close: async () => {},
    };
    const outage = createOutage({
      config: { outage: 'serve', offline: false, tagTtlMs: 0, ...config },
      upstreams: {
        requests: gone,
        blobs: gone,
        questions: gone,
        connect: () => Promise.reject(GONE),
        dialTunnel: () => {
          asked.push('tunnel');
          return Promise.reject(GONE);
        },
      },
      facts: createMemoryFacts(),
      logger: { debug: write, info: write, warn: write, error: write },
      metrics,
      viaId: 'test',
    });
    return { outage, metrics };
  }

  const tunnel = { host: 'auth.test', port: 443, signal: new AbortController().signal, passedVia: undefined };

  it('tells of a registry that goes away: in the log, in a metric, and in readiness', async () => {
    const { outage, metrics } = open();
    assert.deepEqual(outage.warnings(), []);
    await outage.parts.health.answers(target);
    assert.deepEqual(
      log.map(({ message, fields }) => [message, fields.registry]),
      [['The registry does not answer; what is public is given from the store', 'registry.test']],
    );
    assert.match((await metrics.render()).body, /entrepot_registry_up\{registry="registry.test",part="registry"\} 0/);
    assert.match(outage.warnings()[0] ?? '', /^registry\.test has not answered for \d+ s$/);
    await assert.rejects(outage.dialTunnel(tunnel), GONE);
    outage.parts.health.close();
  });

  it('sends nothing at all with --offline, and has nothing to warn of', async () => {
    const { outage } = open({ offline: true, outage: 'fail' });
    const request = { target, method: 'GET', path: '/v2/', headers: [] };
    await assert.rejects(outage.parts.upstream.send(request), { code: 'offline' });
    await assert.rejects(outage.parts.blobs.send(request), { code: 'offline' });
    await assert.rejects(outage.dialTunnel(tunnel), { code: 'offline' });
    await assert.rejects(outage.connect(target), { code: 'offline' });
    await assert.rejects(outage.parts.stranger.head(target, 'a', '/v2/a/manifests/v1', '*/*'), { code: 'offline' });
    assert.equal(outage.parts.outage, 'serve');
    assert.deepEqual([asked, outage.warnings()], [[], []]);
  });

  it('keeps the times of tags only where they have a life', () => {
    assert.equal(open().outage.parts.tagTimes, undefined);
    assert.ok(open({ tagTtlMs: 1000 }).outage.parts.tagTimes);
  });
});
