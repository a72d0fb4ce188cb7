import assert from 'node:assert/strict';
import { createFakeUpstream, sampleBytes } from '../support/fake-fill.js';
import {
  createFlightHarness,
  createGate,
  drain,
  type FlightHarness,
  isPending,
  until,
} from '../support/flight-harness.js';

const KIB = 1024;

describe('cache/flight', () => {
  let harness: FlightHarness;

  afterEach(async () => {
    await harness.stop();
    assert.equal(harness.store.openSpools, 0, 'every spool is closed');
    assert.equal(harness.flights.size, 0);
  });

  it('opens the upstream once for 50 readers, who all get all bytes', async () => {
    harness = createFlightHarness();
    const body = sampleBytes(700 * KIB + 11);
    const upstream = createFakeUpstream(body.length);
    const request = harness.request(body, upstream);
    const joined = Array.from({ length: 50 }, () => harness.flights.join(request));
    const got = joined.map(({ flight }, n) => drain(flight.reader(), { maxBytes: 1 + n * 3000 + 500 }));
    await upstream.giveAll(body);
    upstream.end();
    for (const bytes of await Promise.all(got)) assert.ok(bytes.equals(body));
    assert.equal(upstream.opens, 1);
    assert.deepEqual(
      joined.map(({ leader }) => leader),
      [true, ...Array.from({ length: 49 }, () => false)],
    );
    const [first] = joined;
    assert.equal((await first?.flight.done)?.kind, 'stored');
    assert.equal(harness.store.committed.length, 1);
    assert.ok(harness.store.committed[0]?.bytes.equals(body));
  });

  it('keeps flights of different keys apart', () => {
    harness = createFlightHarness();
    const body = sampleBytes(10);
    const one = harness.flights.join(harness.request(body, createFakeUpstream(10), 'a'));
    const two = harness.flights.join(harness.request(body, createFakeUpstream(10), 'b'));
    assert.notEqual(one.flight, two.flight);
    assert.equal(two.leader, true);
    assert.equal(harness.flights.size, 2);
  });

  it('gives leader and followers the rejection of the opener, and starts anew after it', async () => {
    harness = createFlightHarness();
    const answer = { status: 404 };
    const request = {
      ...harness.request(sampleBytes(10), createFakeUpstream(10)),
      open: async () => {
        throw answer;
      },
    };
    const { flight } = harness.flights.join(request);
    const follower = harness.flights.join(request);
    assert.equal(follower.leader, false);
    const read = follower.flight.reader().read(0, 10);
    await assert.rejects(flight.head, (error) => error === answer);
    await assert.rejects(follower.flight.head, (error) => error === answer);
    await assert.rejects(read, (error) => error === answer);
    assert.deepEqual(await flight.done, { kind: 'failed', error: answer });
    assert.equal(harness.flights.find(request.key), undefined);
    assert.equal(harness.flights.join(request).leader, true);
    assert.deepEqual(harness.faults, []);
  });

  it('rejects nothing unhandled where nobody listens', async () => {
    harness = createFlightHarness();
    const unhandled: unknown[] = [];
    const note = (error: unknown) => unhandled.push(error);
    process.on('unhandledRejection', note);
    try {
      const { flight } = harness.flights.join({
        ...harness.request(sampleBytes(10), createFakeUpstream(10)),
        open: () => Promise.reject(new Error('no answer')),
      });
      assert.equal((await flight.done).kind, 'failed');
      assert.equal(await isPending(new Promise(() => {})), true);
    } finally {
      process.off('unhandledRejection', note);
    }
    assert.deepEqual(unhandled, []);
  });

  it('starts a new flight as soon as the old one has lost its upstream', async () => {
    harness = createFlightHarness();
    const body = sampleBytes(100 * KIB);
    const { upstream, flight } = harness.start(body);
    await upstream.giveAll(body.subarray(0, 50 * KIB));
    const lost = new Error('reset');
    const reader = flight.reader();
    const far = flight.reader();
    const reads = [reader.read(60 * KIB, 10), far.read(90 * KIB, 10)];
    upstream.fail(lost);
    for (const read of reads) await assert.rejects(read, (error) => error === lost);
    await assert.rejects(reader.read(0, 10), (error) => error === lost, 'what had arrived is not given either');
    const second = createFakeUpstream(body.length);
    const again = harness.flights.join(harness.request(body, second));
    assert.equal(again.leader, true);
    const got = drain(again.flight.reader());
    await second.giveAll(body);
    second.end();
    assert.ok((await got).equals(body));
  });

  it('lets a newcomer join while verified bytes are still being stored', async () => {
    const gate = createGate();
    let committing = false;
    harness = createFlightHarness({
      beforeCommit: () => {
        committing = true;
        return gate.opened;
      },
    });
    const body = sampleBytes(200 * KIB);
    const { upstream, flight } = harness.start(body);
    const first = drain(flight.reader());
    await upstream.giveAll(body);
    upstream.end();
    assert.ok((await first).equals(body), 'the leader does not wait for the disk');
    await until(() => committing);
    const late = harness.flights.join(harness.request(body, upstream));
    assert.equal(late.leader, false);
    assert.ok((await drain(late.flight.reader())).equals(body));
    assert.equal(harness.verified.length, 0);
    gate.open();
    assert.equal((await flight.done).kind, 'stored');
    assert.equal(harness.verified[0]?.entry?.sizeBytes, body.length);
    assert.equal(harness.flights.find(harness.request(body, upstream).key), undefined);
  });

  it('stays in the table until onVerified has come back', async () => {
    harness = createFlightHarness();
    const body = sampleBytes(100);
    const gate = createGate();
    let told = false;
    const upstream = createFakeUpstream(100);
    const request = {
      ...harness.request(body, upstream),
      onVerified: () => {
        told = true;
        return gate.opened;
      },
    };
    const { flight } = harness.flights.join(request);
    await upstream.give(body);
    upstream.end();
    await until(() => told);
    assert.equal(harness.flights.find(request.key), flight);
    gate.open();
    await flight.done;
    assert.equal(harness.flights.find(request.key), undefined);
  });

  it('reports a rejection of onVerified and is stored all the same', async () => {
    harness = createFlightHarness();
    const body = sampleBytes(100);
    const upstream = createFakeUpstream(100);
    const { flight } = harness.flights.join({
      ...harness.request(body, upstream),
      onVerified: () => Promise.reject(new Error('no link')),
    });
    await upstream.give(body);
    upstream.end();
    assert.equal((await flight.done).kind, 'stored');
    assert.match(harness.faults[0]?.message ?? '', /no link/);
  });

  it('closes by aborting upstreams and rejecting readers, and refuses newcomers', async () => {
    harness = createFlightHarness();
    const body = sampleBytes(100 * KIB);
    const { upstream, flight } = harness.start(body);
    await upstream.giveAll(body.subarray(0, 70 * KIB));
    const read = flight.reader().read(80 * KIB, 10);
    const closed = harness.flights.close();
    await assert.rejects(read, { code: 'shutting-down' });
    await closed;
    assert.equal(upstream.aborted, true);
    assert.equal(harness.store.openSpools, 0);
    assert.throws(() => harness.flights.join(harness.request(body, upstream)), { code: 'shutting-down' });
    assert.equal(harness.store.committed.length, 0);
  });

  it('closes while an opener never answers, and hangs up on an answer that comes later', async () => {
    harness = createFlightHarness();
    const gate = createGate();
    const upstream = createFakeUpstream(10);
    let told: AbortSignal | undefined;
    const { flight } = harness.flights.join({
      ...harness.request(sampleBytes(10), upstream),
      open: async (signal) => {
        told = signal;
        await gate.opened;
        return upstream.open(signal, 0);
      },
    });
    await harness.flights.close();
    await assert.rejects(flight.head, { code: 'shutting-down' });
    assert.equal(told?.aborted, true);
    gate.open();
    await until(() => upstream.aborted);
  });

  it('still stores what is verified when it closes', async () => {
    const gate = createGate();
    let committing = false;
    harness = createFlightHarness({
      beforeCommit: () => {
        committing = true;
        return gate.opened;
      },
    });
    const body = sampleBytes(100);
    const { upstream } = harness.start(body);
    await upstream.give(body);
    upstream.end();
    await until(() => committing);
    const closed = harness.flights.close();
    assert.equal(await isPending(closed), true);
    gate.open();
    await closed;
    assert.equal(harness.store.committed.length, 1);
  });
});
