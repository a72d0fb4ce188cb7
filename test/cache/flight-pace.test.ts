import assert from 'node:assert/strict';
import { createFakeUpstream, type FakeUpstream, sampleBytes } from '../support/fake-fill.js';
import {
  createFlightHarness,
  createGate,
  drain,
  type FlightHarness,
  isPending,
  SMALL_LIMITS,
  until,
} from '../support/flight-harness.js';

const KIB = 1024;
const PIECE = 16 * KIB;

/** Gives pieces until the flight asks to wait; tells how many bytes it took and the piece it still has to let through. */
async function giveUntilPaused(upstream: FakeUpstream, body: Buffer, from = 0) {
  for (let at = from; at < body.length; at += PIECE) {
    const given = upstream.give(body.subarray(at, at + PIECE));
    if (await isPending(given)) return { takenBytes: at + PIECE, given };
  }
  return { takenBytes: body.length, given: Promise.resolve() };
}

describe('cache/flight-pace', () => {
  let harness: FlightHarness;

  afterEach(async () => {
    await harness.stop();
    assert.equal(harness.store.openSpools, 0, 'every spool is closed');
    assert.equal(harness.flights.size, 0);
  });

  for (const failing of [0, 1, 5]) {
    it(`gives everybody all bytes where append ${failing} fails`, async () => {
      const beforeAppend = (count: number): void => {
        if (count === failing) throw new Error('ENOSPC');
      };
      harness = createFlightHarness({ beforeAppend }, { stallMs: 60_000 });
      const body = sampleBytes(1500 * KIB);
      const { upstream, flight } = harness.start(body);
      const got = [1000, 10_000, 200_000].map((maxBytes) => drain(flight.reader(), { maxBytes }));
      await upstream.giveAll(body);
      upstream.end();
      for (const bytes of await Promise.all(got)) assert.ok(bytes.equals(body));
      assert.deepEqual(await flight.done, { kind: 'verified' });
      assert.deepEqual(harness.verified, [{ sizeBytes: body.length, entry: undefined }]);
      assert.equal(harness.store.committed.length, 0);
      assert.match(harness.faults[0]?.message ?? '', /ENOSPC/);
    });
  }

  it('gives everybody all bytes where there is no spool at all', async () => {
    harness = createFlightHarness({ beforeCreate: () => Promise.reject(new Error('EROFS')) });
    const body = sampleBytes(1500 * KIB);
    const { upstream, flight } = harness.start(body);
    await flight.head;
    const got = [flight.reader(), flight.reader()].map((reader) => drain(reader, { maxBytes: 50_000 }));
    await upstream.giveAll(body);
    upstream.end();
    for (const bytes of await Promise.all(got)) assert.ok(bytes.equals(body));
    assert.deepEqual(await flight.done, { kind: 'verified' });
  });

  it('still finds wrong bytes without a disk', async () => {
    harness = createFlightHarness({ beforeCreate: () => Promise.reject(new Error('EROFS')) });
    const body = sampleBytes(100 * KIB);
    const { upstream, flight } = harness.start(body);
    const got = drain(flight.reader());
    await upstream.giveAll(Buffer.alloc(body.length, 1));
    upstream.end();
    await assert.rejects(got, { code: 'digest-mismatch' });
  });

  it('goes on without a disk that hangs, as soon as a reader has caught up', async () => {
    const gate = createGate();
    harness = createFlightHarness({ beforeAppend: () => gate.opened }, { stallMs: 60_000 });
    const body = sampleBytes(2000 * KIB);
    const { upstream, flight } = harness.start(body);
    const got = drain(flight.reader());
    await upstream.giveAll(body);
    upstream.end();
    assert.ok((await got).equals(body));
    gate.open();
    assert.deepEqual(await flight.done, { kind: 'verified' });
    assert.match(harness.faults[0]?.message ?? '', /too slow/);
  });

  it('lets a lagging disk pace the upstream while nobody waits for more, and stores all of it', async () => {
    const gate = createGate();
    harness = createFlightHarness({ beforeAppend: () => gate.opened }, { stallMs: 60_000 });
    const body = sampleBytes(1000 * KIB);
    const { upstream, flight } = harness.start(body);
    const idle = flight.reader();
    const { takenBytes, given } = await giveUntilPaused(upstream, body);
    assert.equal(takenBytes, SMALL_LIMITS.unwrittenBytes);
    gate.open();
    await given;
    await upstream.giveAll(body.subarray(takenBytes));
    upstream.end();
    assert.ok((await drain(idle)).equals(body));
    assert.equal((await flight.done).kind, 'stored');
    assert.deepEqual(harness.faults, []);
  });

  it('lets the disk pace the upstream a little where a reader waits, and stores all of it', async () => {
    const gate = createGate();
    harness = createFlightHarness({ beforeAppend: () => gate.opened }, { lagMs: 60_000, stallMs: 60_000 });
    const body = sampleBytes(1000 * KIB);
    const { upstream, flight } = harness.start(body);
    const got = drain(flight.reader());
    const { takenBytes, given } = await giveUntilPaused(upstream, body);
    assert.equal(takenBytes, SMALL_LIMITS.unwrittenBytes);
    gate.open();
    await given;
    await upstream.giveAll(body.subarray(takenBytes));
    upstream.end();
    assert.ok((await got).equals(body));
    assert.equal((await flight.done).kind, 'stored');
    assert.deepEqual(harness.faults, []);
  });

  it('leaves a disk behind that lets a waiting reader wait too long', async () => {
    const gate = createGate();
    harness = createFlightHarness({ beforeAppend: () => gate.opened }, { lagMs: 10, stallMs: 60_000 });
    const body = sampleBytes(1000 * KIB);
    const { upstream, flight } = harness.start(body);
    const got = drain(flight.reader());
    await upstream.giveAll(body);
    upstream.end();
    assert.ok((await got).equals(body));
    gate.open();
    assert.deepEqual(await flight.done, { kind: 'verified' });
  });

  it('detaches from a disk that makes no progress, even if nobody waits', async () => {
    const gate = createGate();
    harness = createFlightHarness({ beforeAppend: () => gate.opened }, { stallMs: 5 });
    const body = sampleBytes(1000 * KIB);
    const { upstream, flight } = harness.start(body);
    const reader = flight.reader();
    await giveUntilPaused(upstream, body);
    await until(() => harness.faults.length > 0);
    assert.match(harness.faults[0]?.message ?? '', /too slow/);
    reader.close();
    assert.equal((await flight.done).kind, 'failed', 'nobody is left whom it could serve');
    assert.equal(upstream.aborted, true);
    gate.open();
  });

  it('takes in no more than its bound ahead of the slowest reader without a disk', async () => {
    harness = createFlightHarness({ beforeCreate: () => Promise.reject(new Error('EROFS')) }, { stallMs: 60_000 });
    const body = sampleBytes(1000 * KIB);
    const { upstream, flight } = harness.start(body);
    const reader = flight.reader();
    const { takenBytes, given } = await giveUntilPaused(upstream, body);
    assert.equal(takenBytes, SMALL_LIMITS.detachedBytes);
    const read = await drain(reader, { endOffset: PIECE, maxBytes: PIECE });
    await given;
    const next = await giveUntilPaused(upstream, body, takenBytes);
    assert.equal(next.takenBytes, SMALL_LIMITS.detachedBytes + PIECE);
    const rest = drain(reader, { from: PIECE });
    await next.given;
    await upstream.giveAll(body.subarray(next.takenBytes));
    upstream.end();
    assert.ok(Buffer.concat([read, await rest]).equals(body));
  });

  it('H14 drops a reader that stands still and holds up another one, and nobody else', async () => {
    harness = createFlightHarness({ beforeCreate: () => Promise.reject(new Error('EROFS')) }, { stallMs: 20 });
    const body = sampleBytes(1000 * KIB);
    const { upstream, flight } = harness.start(body);
    const stalled = flight.reader();
    const got = drain(flight.reader());
    await upstream.giveAll(body);
    upstream.end();
    assert.ok((await got).equals(body));
    await assert.rejects(stalled.read(0, 1), { code: 'client-stalled' });
    assert.deepEqual(await flight.done, { kind: 'verified' });
  });

  it('never drops a reader that holds up nobody but itself', async () => {
    harness = createFlightHarness({ beforeCreate: () => Promise.reject(new Error('EROFS')) }, { stallMs: 4 });
    const body = sampleBytes(300 * KIB);
    const { upstream, flight } = harness.start(body);
    const reader = flight.reader();
    const { takenBytes, given } = await giveUntilPaused(upstream, body);
    // Long enough for the watch to have looked many times.
    await new Promise((resolve) => setTimeout(resolve, 40));
    const got = drain(reader);
    await given;
    await upstream.giveAll(body.subarray(takenBytes));
    upstream.end();
    assert.ok((await got).equals(body));
  });

  it('aborts the upstream when the last reader leaves and nothing can be stored', async () => {
    harness = createFlightHarness({ beforeCreate: () => Promise.reject(new Error('EROFS')) });
    const body = sampleBytes(1000 * KIB);
    const { upstream, flight } = harness.start(body);
    const reader = flight.reader();
    await upstream.give(body.subarray(0, PIECE));
    await until(() => harness.faults.length > 0);
    reader.close();
    await until(() => upstream.aborted);
    const outcome = await flight.done;
    assert.equal(outcome.kind === 'failed' && (outcome.error as { code: string }).code, 'client-gone');
  });

  it('serves newcomers from what a detached flight still holds', async () => {
    harness = createFlightHarness({ beforeCreate: () => Promise.reject(new Error('EROFS')) });
    const body = sampleBytes(100 * KIB);
    const { upstream, flight } = harness.start(body);
    const first = drain(flight.reader());
    await upstream.giveAll(body.subarray(0, 90 * KIB));
    const late = harness.flights.join(harness.request(body, upstream));
    assert.equal(late.leader, false);
    const second = drain(late.flight.reader());
    await upstream.giveAll(body.subarray(90 * KIB));
    upstream.end();
    assert.ok((await first).equals(body));
    assert.ok((await second).equals(body));
  });

  it('starts a new flight for a newcomer when the first bytes are held no more', async () => {
    harness = createFlightHarness({ beforeCreate: () => Promise.reject(new Error('EROFS')) }, { lingerMs: 60_000 });
    const body = sampleBytes(1000 * KIB);
    const { upstream, flight } = harness.start(body);
    const reader = flight.reader();
    const got = drain(reader);
    await upstream.giveAll(body.subarray(0, 500 * KIB));
    await until(() => harness.flights.find(harness.request(body, upstream).key) === undefined);
    const second = createFakeUpstream(body.length);
    const late = harness.flights.join(harness.request(body, second));
    assert.equal(late.leader, true);
    await upstream.giveAll(body.subarray(500 * KIB));
    upstream.end();
    assert.ok((await got).equals(body));
    await flight.done;
    const found = harness.flights.find(harness.request(body, upstream).key);
    assert.ok(found === late.flight, 'the old one leaves the new one alone');
  });

  it('keeps a newcomer where the first bytes are on disk though the rest is not', async () => {
    harness = createFlightHarness({
      beforeAppend: (count) => {
        if (count === 4) throw new Error('EIO');
      },
    });
    const body = sampleBytes(400 * KIB);
    const { upstream, flight } = harness.start(body);
    const first = drain(flight.reader());
    await upstream.giveAll(body.subarray(0, 390 * KIB));
    await until(() => harness.faults.length > 0);
    const late = harness.flights.join(harness.request(body, upstream));
    assert.equal(late.leader, false);
    const second = drain(late.flight.reader());
    await upstream.giveAll(body.subarray(390 * KIB));
    upstream.end();
    assert.ok((await first).equals(body));
    assert.ok((await second).equals(body));
  });
});
