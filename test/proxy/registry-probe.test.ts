import assert from 'node:assert/strict';
import { createRegistryProbe, type HostMemory, type RegistryProbeOptions } from '../../src/proxy/registry-probe.js';

type Answer = 'registry' | 'other' | 'unknown';

function harness(changes: Partial<RegistryProbeOptions> = {}) {
  const stored = new Map<string, HostMemory>();
  const asked: string[] = [];
  const state = { now: 1_000_000, answer: 'registry' as Answer | Promise<Answer> };
  const probe = createRegistryProbe({
    ask: async (host, port) => {
      asked.push(`${host}:${port}`);
      return state.answer;
    },
    memory: {
      get: async (key) => stored.get(key),
      set: async (key, value) => void stored.set(key, value),
    },
    now: () => state.now,
    ...changes,
  });
  return { probe, stored, asked, state };
}

const HOUR = 3_600_000;

/** An answer that comes when it is told. */
function later() {
  const waiting: ((answer: Answer) => void)[] = [];
  const promise = new Promise<Answer>((resolve) => {
    waiting.push(resolve);
  });
  return { promise, tell: (answer: Answer) => waiting[0]?.(answer) };
}

async function fail(): Promise<never> {
  throw new Error('disk');
}

describe('proxy/registry-probe', () => {
  it('asks once and remembers a yes for 24 hours', async () => {
    const { probe, asked, state, stored } = harness();
    assert.equal(await probe.verdictFor('a.test', 443), 'registry');
    state.now += 24 * HOUR - 1;
    assert.equal(await probe.verdictFor('a.test', 443), 'registry');
    assert.deepEqual(asked, ['a.test:443']);
    assert.deepEqual(stored.get('a.test:443'), { isRegistry: true, until: 1_000_000 + 24 * HOUR });
    state.now += 2;
    await probe.verdictFor('a.test', 443);
    assert.equal(asked.length, 2);
  });

  it('remembers a no for one hour', async () => {
    const { probe, asked, state } = harness();
    state.answer = 'other';
    assert.equal(await probe.verdictFor('a.test', 443), 'other');
    state.now += HOUR - 1;
    assert.equal(await probe.verdictFor('a.test', 443), 'other');
    state.now += 2;
    await probe.verdictFor('a.test', 443);
    assert.equal(asked.length, 2);
  });

  it('asks again 30 seconds after an answer that was none, and stores nothing of it', async () => {
    const { probe, asked, state, stored } = harness();
    state.answer = Promise.reject(new Error('down'));
    state.answer.catch(() => undefined);
    assert.equal(await probe.verdictFor('a.test', 443), 'unknown');
    state.answer = 'registry';
    state.now += 29_999;
    assert.equal(await probe.verdictFor('a.test', 443), 'unknown');
    state.now += 2;
    assert.equal(await probe.verdictFor('a.test', 443), 'registry');
    assert.equal(asked.length, 2);
    assert.equal(stored.get('a.test:443')?.isRegistry, true);
  });

  it('knows after a restart what was stored, as long as it is good', async () => {
    const { probe, asked, stored } = harness();
    stored.set('a.test:443', { isRegistry: false, until: 1_000_001 });
    stored.set('b.test:443', { isRegistry: false, until: 999_999 });
    assert.equal(await probe.verdictFor('a.test', 443), 'other');
    assert.equal(await probe.verdictFor('b.test', 443), 'registry');
    assert.deepEqual(asked, ['b.test:443']);
  });

  it('takes a registry that is down for a registry still', async () => {
    const { probe, stored, state } = harness();
    stored.set('a.test:443', { isRegistry: true, until: 1 });
    state.answer = 'unknown';
    assert.equal(await probe.verdictFor('a.test', 443), 'registry');
  });

  it('waits no longer than it may, while the question goes on and is asked once', async () => {
    const { probe, asked, state } = harness();
    const { promise, tell } = later();
    state.answer = promise;
    assert.equal(await probe.verdictFor('a.test', 443, 1), 'unknown');
    assert.equal(await probe.verdictFor('a.test', 443, 1), 'unknown');
    const waiting = probe.verdictFor('a.test', 443, 60_000);
    tell('registry');
    assert.equal(await waiting, 'registry');
    assert.deepEqual(asked, ['a.test:443']);
  });

  it('asks each port of a host by itself', async () => {
    const { probe, asked } = harness();
    await Promise.all([
      probe.verdictFor('a.test', 443),
      probe.verdictFor('a.test', 8443),
      probe.verdictFor('a.test', 443),
    ]);
    assert.deepEqual(asked, ['a.test:443', 'a.test:8443']);
  });

  it('opens a host that has delivered without asking, for ever and after a restart', async () => {
    const { probe, asked, state, stored } = harness();
    state.answer = 'other';
    probe.learn('a.test', 443);
    state.now += 1000 * 24 * HOUR;
    assert.equal(await probe.verdictFor('a.test', 443), 'registry');
    const restarted = harness({ memory: { get: async (key) => stored.get(key), set: async () => undefined } });
    restarted.state.now = state.now;
    assert.equal(await restarted.probe.verdictFor('a.test', 443), 'registry');
    assert.deepEqual([...asked, ...restarted.asked], []);
  });

  it('keeps what it has learned while a question was open', async () => {
    const { probe, state, stored } = harness();
    const { promise, tell } = later();
    state.answer = promise;
    const waiting = probe.verdictFor('a.test', 443, 60_000);
    probe.learn('a.test', 443);
    tell('other');
    assert.equal(await waiting, 'registry');
    assert.equal(stored.get('a.test:443')?.isRegistry, true);
  });

  it('goes on where its memory fails', async () => {
    const { probe } = harness({ memory: { get: fail, set: fail } });
    assert.equal(await probe.verdictFor('a.test', 443), 'registry');
  });

  it('ends open questions when it is closed', async () => {
    const aborted: string[] = [];
    const { probe } = harness({
      ask: (host, _port, signal) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => {
            aborted.push(host);
            resolve('unknown');
          });
        }),
    });
    const waiting = probe.verdictFor('a.test', 443, 60_000);
    // The question starts after the memory has been asked.
    await new Promise((resolve) => setImmediate(resolve));
    probe.close();
    assert.equal(await waiting, 'unknown');
    assert.deepEqual(aborted, ['a.test']);
  });
});
