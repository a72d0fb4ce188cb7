import assert from 'node:assert/strict';
import type { FillBody, FillResumer } from '../../src/cache/flight-contract.js';
import { FlightResumers } from '../../src/cache/flight-resumers.js';
import { ResumeFault } from '../../src/cache/resume-fault.js';
import { ProxyError } from '../../src/errors.js';

const BODY: FillBody = { sizeBytes: 1, pump: async () => {}, abort: () => {} };

describe('cache/flight-resumers', () => {
  const { signal } = new AbortController();
  let asked: string[];

  beforeEach(() => {
    asked = [];
  });

  function way(name: string, fault?: unknown): FillResumer {
    return async (_signal, fromBytes) => {
      asked.push(`${name} ${fromBytes}`);
      if (fault !== undefined) throw fault;
      return BODY;
    };
  }

  const refusal = (): ResumeFault => new ResumeFault('no', { isRefusal: true });

  it('asks as the newest client that waits, and as the first when nobody does', async () => {
    const resumers = new FlightResumers(way('leader'));
    await resumers.open(signal, 1);
    resumers.offer(way('old'));
    const withdraw = resumers.offer(way('new'));
    await resumers.open(signal, 2);
    withdraw();
    await resumers.open(signal, 3);
    assert.deepEqual(asked, ['leader 1', 'new 2', 'old 3']);
  });

  it('goes from one who is refused to the next, and never back', async () => {
    const resumers = new FlightResumers(way('leader'));
    resumers.offer(way('b'));
    resumers.offer(way('c', refusal()));
    assert.equal(await resumers.open(signal, 5), BODY);
    await resumers.open(signal, 6);
    assert.deepEqual(asked, ['c 5', 'b 5', 'b 6']);
  });

  it('rejects with the refusal when everybody was refused', async () => {
    const resumers = new FlightResumers(way('leader', refusal()));
    resumers.offer(way('b', refusal()));
    await assert.rejects(resumers.open(signal, 5), { message: 'no' });
    await assert.rejects(resumers.open(signal, 5), { code: 'upstream-truncated' });
    assert.deepEqual(asked, ['b 5', 'leader 5']);
  });

  it('asks two others where one is told to wait, and then waits for whom it takes the least', async () => {
    const wait = (retryAfterMs: number): ResumeFault => new ResumeFault('later', { retryAfterMs });
    const resumers = new FlightResumers(way('leader', wait(1)));
    resumers.offer(way('a', wait(2_000)));
    resumers.offer(way('b', wait(9_000)));
    const withdraw = resumers.offer(way('c', wait(90_000)));
    await assert.rejects(resumers.open(signal, 5), { retryAfterMs: 2_000 });
    withdraw();
    await assert.rejects(resumers.open(signal, 6), { retryAfterMs: 1 });
    assert.deepEqual(asked, ['c 5', 'b 5', 'a 5', 'b 6', 'a 6', 'leader 6']);
    resumers.offer(way('fresh'));
    resumers.offer(way('limited', wait(90_000)));
    assert.equal(await resumers.open(signal, 7), BODY);
  });

  it('asks nobody else after a fault that is no refusal', async () => {
    const fault = new ProxyError('upstream-connect', 'x');
    const resumers = new FlightResumers(way('leader'));
    resumers.offer(way('b', fault));
    await assert.rejects(resumers.open(signal, 5), fault);
    assert.deepEqual(asked, ['b 5']);
  });

  it('knows whether there is any way', () => {
    const resumers = new FlightResumers(undefined);
    assert.equal(resumers.some, false);
    const withdraw = resumers.offer(way('b'));
    assert.equal(resumers.some, true);
    withdraw();
    assert.equal(resumers.some, false);
    assert.equal(new FlightResumers(way('leader')).some, true);
  });
});
