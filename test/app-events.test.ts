import assert from 'node:assert/strict';
import { authorityEvents, createFaultTeller, proxyEvents, storeEvents, watchUpkeep } from '../src/app-events.js';
import type { Cache } from '../src/cache/open-cache.js';
import { ProxyError } from '../src/errors.js';
import type { Logger } from '../src/telemetry/log.js';
import type { Metrics } from '../src/telemetry/metrics.js';

describe('app-events', () => {
  let lines: { level: string; fields: object; message: string }[];
  let faults: string[];
  let logger: Logger;
  let metrics: Metrics;

  beforeEach(() => {
    lines = [];
    faults = [];
    const at = (level: string) => (fields: object, message: string) => void lines.push({ level, fields, message });
    logger = { info: at('info'), warn: at('warn'), error: at('error') } as unknown as Logger;
    metrics = { fault: (code: string) => void faults.push(code) } as unknown as Metrics;
  });

  it('D06: writes a line for each upgrade, joined or refused', () => {
    const events = proxyEvents(logger, metrics);
    for (const status of [101, 403]) {
      events.onUpgradeEnd?.('registry.test', 443, status, { sent: 3, received: 4 }, { client: '::1', user: 'bob' });
    }
    const common = { client: '::1', user: 'bob', host: 'registry.test', port: 443, verdict: 'upgrade', bytes: 7 };
    assert.deepEqual(lines, [
      { level: 'info', fields: { ...common, status: 101 }, message: 'Upgraded connection closed' },
      { level: 'info', fields: { ...common, status: 403 }, message: 'Upgrade refused by its server' },
    ]);
  });

  it('tells a fault of the store once, whoever reports it', () => {
    const tell = createFaultTeller(logger, metrics);
    const fault = new ProxyError('store', 'the disk is full');
    tell(fault);
    storeEvents(logger, metrics, tell).fault(fault);
    assert.deepEqual(faults, ['store']);
    assert.equal(lines.length, 1);
    assert.equal(lines[0]?.level, 'warn');
  });

  it('says what to do where a client does not trust the CA, and only there', () => {
    const events = proxyEvents(logger, metrics);
    events.onClientTlsError?.('ghcr.io', 'untrusted-ca', '10.0.0.1');
    events.onClientTlsError?.('ghcr.io', 'other', '10.0.0.1');
    assert.match(lines[0]?.message ?? '', /install ca\.crt there/);
    assert.deepEqual(lines[0]?.fields, { host: 'ghcr.io', client: '10.0.0.1', reason: 'untrusted-ca' });
    assert.doesNotMatch(lines[1]?.message ?? '', /install/);
    assert.deepEqual(faults, ['client-tls', 'client-tls']);
  });

  it('tells how far a rebuild of the index is, and what the scrubber has done', () => {
    storeEvents(logger, metrics, () => {}).rebuilding?.(0.499);
    assert.deepEqual(lines[0]?.fields, { count: 49 });
    const watched = new Map<string, () => number>();
    const board = { watch: (name: string, read: () => number) => watched.set(name, read) } as unknown as Metrics;
    const scrub = { share: 0.5, checked: 3, checkedBytes: 7, bad: 1, rounds: 0 };
    const values = (cache: object): number[] => {
      watchUpkeep(board, { measure: async () => undefined, ...cache } as Cache);
      return [...watched.values()].map((read) => read());
    };
    const space = { budgetBytes: 80, usedBytes: 70 };
    assert.deepEqual(
      values({ store: { fault: 'full' }, kept: { bytes: 5 }, space, rebuildShare: 0.2, scrub }),
      [80, 70, 5, 1, 0.2, 0.5, 3, 7, 1],
    );
    assert.deepEqual(values({ store: {}, kept: { bytes: 0 } }), [0, 0, 0, 0, 1, 0, 0, 0, 0]);
  });

  it('tells of a round of eviction in one line, and counts what went', () => {
    const counted: number[][] = [];
    const counting = { ...metrics, eviction: (...counts: number[]) => counted.push(counts) } as Metrics;
    storeEvents(logger, counting, () => {}).evicted?.({ reason: 'room', entries: 3, bytes: 500, ms: 12 });
    assert.deepEqual(counted, [[3, 500]]);
    assert.deepEqual(lines[0]?.fields, { reason: 'room', count: 3, bytes: 500, ms: 12 });
    assert.equal(lines[0]?.level, 'info');
  });

  it('counts quarantined content as damage', () => {
    storeEvents(logger, metrics, () => {}).quarantined(`sha256:${'0'.repeat(64)}` as never, 'a chunk differs');
    assert.deepEqual(faults, ['content-damaged']);
  });

  it('warns of a CA that comes to its end', () => {
    authorityEvents(logger).onExpiring?.('the CA expires in 3 days');
    assert.deepEqual(lines[0]?.fields, { reason: 'the CA expires in 3 days' });
    assert.equal(lines[0]?.level, 'warn');
  });
});
