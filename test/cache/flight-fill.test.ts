import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { digestOf } from '../../src/oci/digest.js';
import { createFakeUpstream, sampleBytes } from '../support/fake-fill.js';
import { createFlightHarness, drain, type FlightHarness, isPending, until } from '../support/flight-harness.js';

const KIB = 1024;
const HELD = 16 * KIB;

describe('cache/flight-fill', () => {
  let harness: FlightHarness;

  afterEach(async () => {
    await harness.stop();
    assert.equal(harness.store.openSpools, 0, 'every spool is closed');
    assert.equal(harness.flights.size, 0);
  });

  it('H12 gives the same bytes whatever the sizes of arrivals and reads', async function () {
    this.timeout(60_000);
    harness = createFlightHarness({}, { unwrittenBytes: 1024 * KIB });
    let run = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: 400 * KIB }),
        fc.integer({ min: 1, max: 200 * KIB }),
        fc.array(fc.record({ maxBytes: fc.integer({ min: 500, max: 300 * KIB }), from: fc.nat({ max: 400 * KIB }) }), {
          maxLength: 5,
        }),
        fc.boolean(),
        async (length, pieceBytes, reads, announced) => {
          const body = sampleBytes(length, ++run);
          const { upstream, flight } = harness.start(body, announced ? length : 'unknown');
          const readers = reads.map(() => flight.reader());
          const got = readers.map((reader, n) => drain(reader, reads[n]));
          await upstream.giveAll(body, Math.max(pieceBytes, 2000));
          upstream.end();
          for (const [n, bytes] of (await Promise.all(got)).entries()) {
            assert.ok(bytes.equals(body.subarray(reads[n]?.from)));
          }
          for (const reader of readers) reader.close();
          assert.equal((await flight.done).kind, 'stored');
          assert.ok(harness.store.committed.at(-1)?.bytes.equals(body));
        },
      ),
      { numRuns: 60 },
    );
    assert.deepEqual(harness.faults, []);
  });

  it('goes on at full speed for one reader while another one stands still', async () => {
    harness = createFlightHarness({}, { unwrittenBytes: 4096 * KIB });
    const body = sampleBytes(2048 * KIB);
    const { upstream, flight } = harness.start(body);
    const slow = flight.reader();
    const fast = flight.reader();
    await upstream.give(body.subarray(0, 64 * KIB));
    const held = await slow.read(0, 1000);
    const rest = drain(fast);
    await upstream.giveAll(body.subarray(64 * KIB));
    upstream.end();
    assert.ok((await rest).equals(body));
    assert.ok(body.subarray(0, 1000).equals(held?.bytes ?? Buffer.alloc(0)), 'a held piece is never overwritten');
    held?.release();
    assert.ok((await drain(slow)).equals(body));
    assert.deepEqual(harness.faults, []);
  });

  it('H13 goes on when the leader leaves, and when everybody has left', async () => {
    harness = createFlightHarness();
    const body = sampleBytes(300 * KIB);
    const { upstream, flight } = harness.start(body);
    const leader = flight.reader();
    const follower = flight.reader();
    await upstream.giveAll(body.subarray(0, 30 * KIB));
    (await leader.read(0, 10))?.release();
    leader.close();
    leader.close();
    follower.close();
    await upstream.giveAll(body.subarray(30 * KIB));
    upstream.end();
    assert.equal((await flight.done).kind, 'stored');
    assert.ok(harness.store.committed[0]?.bytes.equals(body));
    assert.equal(harness.verified[0]?.sizeBytes, body.length);
  });

  it('shows small progress at once', async () => {
    harness = createFlightHarness();
    const body = sampleBytes(200 * KIB);
    const { upstream, flight } = harness.start(body);
    const reader = flight.reader();
    for (let offset = 0; offset < 5; offset += 1) {
      const read = reader.read(offset, 1000);
      await upstream.give(body.subarray(offset, offset + 1));
      const piece = await read;
      assert.deepEqual([...(piece?.bytes ?? [])], [body[offset]]);
      piece?.release();
    }
  });

  it('holds back the last 16 KiB of a body of known size until its digest is known', async () => {
    harness = createFlightHarness();
    const body = sampleBytes(100 * KIB);
    const { upstream, flight } = harness.start(body);
    await upstream.giveAll(body);
    const reader = flight.reader();
    assert.equal((await drain(reader, { endOffset: body.length - HELD })).length, body.length - HELD);
    const tail = reader.read(body.length - HELD, 1);
    assert.equal(await isPending(tail), true);
    upstream.end();
    assert.equal((await tail)?.bytes[0], body[body.length - HELD]);
    assert.equal(await reader.read(body.length, 1), undefined);
  });

  it('never gives a read that reaches over the edge more than may leave', async () => {
    harness = createFlightHarness();
    const body = sampleBytes(40 * KIB);
    const { upstream, flight } = harness.start(body);
    await upstream.giveAll(body);
    const piece = await flight.reader().read(0, 1_000_000);
    assert.equal(piece?.bytes.length, 24 * KIB);
    piece?.release();
  });

  it('holds back all of a body that is smaller than 16 KiB', async () => {
    harness = createFlightHarness();
    const body = sampleBytes(HELD);
    const { upstream, flight } = harness.start(body);
    await upstream.give(body);
    const read = flight.reader().read(0, 100_000);
    assert.equal(await isPending(read), true);
    upstream.end();
    assert.equal((await read)?.bytes.length, HELD);
  });

  it('H03 stays 16 KiB behind the upstream where the size is unknown', async () => {
    harness = createFlightHarness();
    const body = sampleBytes(50 * KIB);
    const { upstream, flight } = harness.start(body, 'unknown');
    assert.deepEqual(await flight.head, { sizeBytes: undefined });
    const reader = flight.reader();
    assert.equal(reader.sizeBytes, undefined);
    await upstream.giveAll(body.subarray(0, 40 * KIB));
    assert.equal((await drain(reader, { endOffset: 24 * KIB })).length, 24 * KIB);
    const next = reader.read(24 * KIB, 100_000);
    assert.equal(await isPending(next), true);
    await upstream.give(body.subarray(40 * KIB));
    assert.equal((await next)?.bytes.length, 10 * KIB);
    upstream.end();
    assert.ok((await drain(reader, { from: 34 * KIB })).equals(body.subarray(34 * KIB)));
    assert.equal(reader.sizeBytes, body.length);
  });

  it('ends an empty body only when its digest is known', async () => {
    harness = createFlightHarness();
    const { upstream, flight } = harness.start(Buffer.alloc(0));
    await upstream.pumping;
    const read = flight.reader().read(0, 100);
    assert.equal(await isPending(read), true);
    upstream.end();
    assert.equal(await read, undefined);
    assert.equal((await flight.done).kind, 'stored');
  });

  it('verifies sha512', async () => {
    harness = createFlightHarness();
    const body = sampleBytes(70 * KIB);
    const digest = digestOf('sha512', createHash('sha512').update(body).digest('hex'));
    const upstream = createFakeUpstream(body.length);
    const { flight } = harness.flights.join({ ...harness.request(body, upstream), digest });
    await upstream.giveAll(body);
    upstream.end();
    assert.equal((await flight.done).kind, 'stored');
  });

  for (const announced of [true, false]) {
    it(`never lets wrong bytes arrive whole, ${announced ? 'with' : 'without'} an announced size`, async () => {
      harness = createFlightHarness();
      const body = sampleBytes(300 * KIB);
      const { upstream, flight } = harness.start(body, announced ? body.length : 'unknown');
      const wrong = Buffer.from(body);
      wrong[1000] = (wrong[1000] ?? 0) ^ 1;
      const lengths = [0, 0, 0];
      const reads = lengths.map(async (_, n) => {
        const reader = flight.reader();
        for (;;) {
          const piece = await reader.read(lengths[n] ?? 0, 10_000 * (n + 1));
          if (piece === undefined) return;
          lengths[n] = (lengths[n] ?? 0) + piece.bytes.length;
          piece.release();
        }
      });
      const ends = Promise.allSettled(reads);
      await upstream.giveAll(wrong);
      await until(() => lengths.every((length) => length === body.length - HELD));
      upstream.end();
      for (const end of await ends) {
        assert.equal(end.status, 'rejected');
        assert.equal((end.reason as { code: string }).code, 'digest-mismatch');
      }
      assert.deepEqual(
        lengths,
        lengths.map(() => body.length - HELD),
      );
      const outcome = await flight.done;
      assert.equal(outcome.kind, 'failed');
      assert.equal(harness.store.committed.length, 0);
      assert.equal(harness.verified.length, 0);
    });
  }

  it('takes a clean end before the announced length as truncation', async () => {
    harness = createFlightHarness();
    const body = sampleBytes(100 * KIB);
    const { upstream, flight } = harness.start(body);
    const read = flight.reader().read(99 * KIB, 1);
    await upstream.giveAll(body.subarray(0, body.length - 1));
    upstream.end();
    await assert.rejects(read, { code: 'upstream-truncated' });
    assert.equal((await flight.done).kind, 'failed');
    assert.equal(harness.store.committed.length, 0);
  });

  it('H02 refuses more bytes than announced, and hangs up at once', async () => {
    harness = createFlightHarness();
    const body = sampleBytes(100 * KIB);
    const { upstream, flight } = harness.start(body, body.length - 1);
    const read = flight.reader().read(99 * KIB, 1);
    await upstream.giveAll(body);
    await assert.rejects(read, { code: 'upstream-protocol' });
    assert.equal(upstream.aborted, true);
    assert.equal(harness.store.committed.length, 0);
  });

  it('is verified but not stored where the commit fails', async () => {
    harness = createFlightHarness({
      beforeCommit: () => {
        throw new Error('ENOSPC');
      },
    });
    const body = sampleBytes(100 * KIB);
    const { upstream, flight } = harness.start(body);
    const got = drain(flight.reader());
    await upstream.giveAll(body);
    upstream.end();
    assert.ok((await got).equals(body));
    assert.deepEqual(await flight.done, { kind: 'verified' });
    assert.deepEqual(harness.verified, [{ sizeBytes: body.length, entry: undefined }]);
    assert.deepEqual(
      harness.faults.map(({ code }) => code),
      ['store'],
    );
  });

  it('has two places for ranges that are passed through', () => {
    harness = createFlightHarness();
    const { flight } = harness.start(sampleBytes(10));
    const first = flight.takeBypass();
    const second = flight.takeBypass();
    assert.ok(first !== undefined && second !== undefined);
    assert.equal(flight.takeBypass(), undefined);
    first();
    first();
    assert.ok(flight.takeBypass() !== undefined);
    assert.equal(flight.takeBypass(), undefined, 'a place freed twice is one place');
  });

  it('waits for those who have joined but not taken their reader yet', async () => {
    harness = createFlightHarness({}, { lingerMs: 60_000 });
    const body = sampleBytes(10 * KIB);
    const { upstream, flight } = harness.start(body);
    const follower = harness.flights.join(harness.request(body, upstream)).flight;
    const first = flight.reader();
    const got = drain(first);
    await upstream.give(body);
    upstream.end();
    await got;
    await flight.done;
    first.close();
    assert.ok((await drain(follower.reader())).equals(body));
  });

  it('lets go of everything soon where they never take it', async () => {
    harness = createFlightHarness({}, { lingerMs: 5 });
    const body = sampleBytes(10 * KIB);
    const { upstream, flight } = harness.start(body);
    await upstream.give(body);
    upstream.end();
    await flight.done;
    await until(() => harness.flights.size === 0);
    await assert.rejects(flight.reader().read(0, 1), { code: 'store' });
  });
});
