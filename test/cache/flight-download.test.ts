import assert from 'node:assert/strict';
import type { FillResumer, Flight } from '../../src/cache/flight.js';
import { ResumeFault } from '../../src/cache/resume-fault.js';
import { sampleBytes } from '../support/fake-fill.js';
import { createFlightHarness, createGate, drain, type FlightHarness, until } from '../support/flight-harness.js';
import { type ScriptedAnswer, type ScriptedUpstream, scriptUpstream } from '../support/scripted-upstream.js';

const KIB = 1024;
const SIZE = 500 * KIB;

describe('cache/flight-download', () => {
  const body = sampleBytes(SIZE);
  let harness: FlightHarness;
  let refuse: (() => void) | undefined;

  beforeEach(() => {
    refuse = undefined;
    harness = createFlightHarness({ beforeCreate: () => refuse?.() }, { unwrittenBytes: 4096 * KIB });
  });
  afterEach(async () => {
    await harness.stop();
    assert.equal(harness.store.openSpools, 0, 'every spool is closed');
  });

  function start(script: readonly ScriptedAnswer[], content = body): { flight: Flight; upstream: ScriptedUpstream } {
    const upstream = scriptUpstream(content, script);
    const request = { ...harness.request(content, { open: upstream.open } as never), resume: upstream.resume };
    return { flight: harness.flights.join(request).flight, upstream };
  }

  it('H01 gives one unbroken body, however often the upstream breaks off', async () => {
    const { flight, upstream } = start([
      { untilBytes: 100_001 },
      { untilBytes: 300_000, cleanly: true },
      { untilBytes: 300_000 },
      { ignoresRange: true, untilBytes: 400_000 },
    ]);
    const got = await Promise.all([drain(flight.reader()), drain(flight.reader(), { maxBytes: 7000 })]);
    for (const bytes of got) assert.ok(bytes.equals(body));
    assert.deepEqual(upstream.asked, [0, 100_001, 300_000, 300_000, 400_000]);
    assert.equal((await flight.done).kind, 'stored');
    assert.ok(harness.store.committed[0]?.bytes.equals(body));
    assert.deepEqual(harness.faults, []);
  });

  it('H16 fails all followers together when nothing helps, each short of the end', async () => {
    const stuck = Array.from({ length: 9 }, () => ({ untilBytes: 300_000 }));
    const { flight, upstream } = start(stuck);
    const readers = Array.from({ length: 20 }, () => flight.reader());
    const ends = await Promise.allSettled(readers.map((reader) => drain(reader)));
    for (const end of ends) assert.equal((end as PromiseRejectedResult).reason.code, 'upstream-truncated');
    assert.equal(new Set(ends.map((end) => (end as PromiseRejectedResult).reason as unknown)).size, 1);
    assert.equal(upstream.asked.length, 5);
    assert.equal((await flight.done).kind, 'failed');
    assert.equal(harness.store.committed.length, 0);
  });

  it('H16 goes on in the name of a follower when the leader is refused', async () => {
    const gate = createGate();
    const asked: number[] = [];
    const follower: FillResumer = (signal, fromBytes) => {
      asked.push(fromBytes);
      return upstream.resume(signal, fromBytes);
    };
    const { flight, upstream } = start([
      { before: () => gate.opened, untilBytes: 200_000 },
      { refusal: new ResumeFault('no', { isRefusal: true }) },
    ]);
    const withdraw = flight.offer(follower);
    const got = drain(flight.reader());
    gate.open();
    assert.ok((await got).equals(body));
    assert.deepEqual(asked, [200_000], 'the follower was asked first, and refused');
    assert.deepEqual(upstream.asked, [0, 200_000, 200_000]);
    withdraw();
  });

  it('never lets two bodies that do not belong together arrive as one', async () => {
    const other = sampleBytes(SIZE, 77);
    const seen = createGate();
    const script = [{ content: other, untilBytes: 200_000 }, { before: () => seen.opened }];
    const { flight, upstream } = start(script);
    const reader = flight.reader();
    let got = 0;
    async function readOn(): Promise<void> {
      for (let piece = await reader.read(got, 100_000); piece; piece = await reader.read(got, 100_000)) {
        got += piece.bytes.length;
        piece.release();
        // Bytes have been given out, so that what comes now cannot be begun anew unseen.
        seen.open();
      }
    }
    await assert.rejects(readOn(), { code: 'digest-mismatch' });
    assert.ok(got <= SIZE - 16 * KIB);
    assert.deepEqual(upstream.asked, [0, 200_000], 'with bytes given out, nothing begins anew');
    assert.equal(harness.store.committed.length, 0);
  });

  it('H10 begins anew once where other bytes came and nobody has seen one', async () => {
    const small = sampleBytes(9000);
    const wrong = sampleBytes(9000, 5);
    const { flight, upstream } = start([{ content: wrong }], small);
    assert.ok((await drain(flight.reader())).equals(small));
    assert.deepEqual(upstream.asked, [0, 0]);
    assert.equal((await flight.done).kind, 'stored');
    assert.ok(harness.store.committed[0]?.bytes.equals(small));
  });

  it('H10 gives up where other bytes come again', async () => {
    const wrong = { content: sampleBytes(9000, 5) };
    const { flight, upstream } = start([wrong, wrong, wrong], sampleBytes(9000));
    await assert.rejects(drain(flight.reader()), { code: 'digest-mismatch' });
    assert.deepEqual(upstream.asked, [0, 0]);
  });

  it('goes on in memory where there is no disk', async () => {
    await harness.stop();
    harness = createFlightHarness({
      beforeCreate: () => {
        throw new Error('ENOSPC');
      },
    });
    const { flight, upstream } = start([{ untilBytes: 200_000 }, { untilBytes: 400_000 }]);
    assert.ok((await drain(flight.reader())).equals(body));
    assert.equal(upstream.asked.length, 3);
    assert.deepEqual(await flight.done, { kind: 'verified' });
  });

  it('learns the length from the answer that tells it', async () => {
    const { flight } = start([{ sizeBytes: 'none', untilBytes: 200_000 }]);
    const reader = flight.reader();
    assert.ok((await drain(reader)).equals(body));
    assert.equal(reader.sizeBytes, SIZE);
  });

  it('stops trying when it is told to', async () => {
    const never = createGate();
    const { flight, upstream } = start([{ untilBytes: 200_000 }, { before: () => never.opened }]);
    const got = drain(flight.reader());
    got.catch(() => {});
    await until(() => upstream.asked.length === 2);
    await harness.flights.close();
    await assert.rejects(got, { code: 'shutting-down' });
    const before = upstream.aborted;
    never.open();
    await until(() => upstream.aborted > before);
  });

  describe('a place on disk', () => {
    function begin(expectedBytes: number, script: readonly ScriptedAnswer[]) {
      const upstream = scriptUpstream(body, script);
      const request = { ...harness.request(body, { open: upstream.open } as never), expectedBytes };
      return harness.flights.join(request).flight;
    }

    it('is made while the upstream thinks', async () => {
      const gate = createGate();
      const flight = begin(SIZE, [{ before: () => gate.opened }]);
      await until(() => harness.store.openSpools === 1);
      gate.open();
      assert.ok((await drain(flight.reader())).equals(body));
      assert.equal((await flight.done).kind, 'stored');
      assert.equal(harness.store.createdSpools, 1);
    });

    it('is made anew where the body is of another length than was expected', async () => {
      const flight = begin(SIZE - 1, [{}]);
      assert.ok((await drain(flight.reader())).equals(body));
      assert.equal((await flight.done).kind, 'stored');
      assert.equal(harness.store.createdSpools, 2);
      assert.ok(harness.store.committed[0]?.bytes.equals(body));
    });

    it('is not asked for again where the store has refused it, whatever the length turns out to be', async () => {
      let asked = 0;
      refuse = () => {
        asked += 1;
        throw new Error('too large');
      };
      const flight = begin(SIZE - 1, [{}]);
      assert.ok((await drain(flight.reader())).equals(body));
      assert.equal((await flight.done).kind, 'verified');
      assert.equal(asked, 1);
    });

    it('is given back where the registry refuses, and where everybody has left', async () => {
      const refused = begin(SIZE, [{ refusal: new Error('refused') }]);
      await assert.rejects(refused.head, /refused/);
      await refused.done;
      await until(() => harness.store.openSpools === 0);
      const gate = createGate();
      const left = begin(SIZE, [{ before: () => gate.opened }]);
      left.head.catch(() => {});
      await until(() => harness.store.openSpools === 1);
      const stopped = harness.stop();
      gate.open();
      await stopped;
      assert.equal((await left.done).kind, 'failed');
      assert.equal(harness.store.openSpools, 0);
    });
  });
});
