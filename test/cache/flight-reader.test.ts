import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { sampleBytes } from '../support/fake-fill.js';
import {
  createFlightHarness,
  createGate,
  drain,
  type FlightHarness,
  isPending,
  until,
} from '../support/flight-harness.js';

const KIB = 1024;

describe('cache/flight-reader', () => {
  let harness: FlightHarness;

  afterEach(async () => {
    await harness.stop();
    assert.equal(harness.store.openSpools, 0, 'every spool is closed');
  });

  async function landed(body: Buffer) {
    const { upstream, flight } = harness.start(body);
    const keeper = flight.reader();
    await upstream.giveAll(body);
    upstream.end();
    await flight.done;
    return { flight, keeper };
  }

  it('reads from disk what is no longer in memory, after the flight is over too', async () => {
    const offsets: number[] = [];
    harness = createFlightHarness(
      { beforeRead: (offset) => void offsets.push(offset) },
      { unwrittenBytes: 4096 * KIB },
    );
    const body = sampleBytes(1000 * KIB);
    const { keeper } = await landed(body);
    assert.ok((await drain(keeper, { maxBytes: 100_000 })).equals(body));
    assert.ok(offsets.length > 5);
    assert.ok(Math.max(...offsets) < body.length - 64 * KIB, 'the newest bytes come from memory');
  });

  it('lets the last reader close the file', async () => {
    harness = createFlightHarness();
    const { keeper } = await landed(sampleBytes(100 * KIB));
    assert.equal(harness.store.openSpools, 1);
    keeper.close();
    await until(() => harness.store.openSpools === 0);
    assert.equal(harness.flights.size, 0);
    await assert.rejects(keeper.read(0, 1), { code: 'client-gone' });
  });

  it('shares the memory of one place among readers', async () => {
    harness = createFlightHarness();
    const body = sampleBytes(100 * KIB);
    const { upstream, flight } = harness.start(body);
    await upstream.giveAll(body.subarray(0, 50 * KIB));
    const one = await flight.reader().read(0, 1000);
    const two = await flight.reader().read(0, 1000);
    assert.ok(one !== undefined && two !== undefined);
    assert.equal(one.bytes.buffer, two.bytes.buffer);
    assert.equal(one.bytes.byteOffset, two.bytes.byteOffset);
    one.release();
    two.release();
  });

  it('rejects a pending read when it is closed', async () => {
    harness = createFlightHarness();
    const { upstream, flight } = harness.start(sampleBytes(100 * KIB));
    await upstream.pumping;
    const reader = flight.reader();
    const read = reader.read(0, 1);
    reader.close();
    await assert.rejects(read, { code: 'client-gone' });
  });

  it('takes one read at a time', async () => {
    harness = createFlightHarness();
    const body = sampleBytes(100 * KIB);
    const { upstream, flight } = harness.start(body);
    const reader = flight.reader();
    const read = reader.read(0, 1);
    await assert.rejects(reader.read(1, 1), { code: 'internal' });
    await upstream.give(body.subarray(0, 10));
    assert.equal((await read)?.bytes.length, 1);
  });

  it('rejects at once when the upstream breaks, even while the disk is asked', async () => {
    const gate = createGate();
    let asked = false;
    harness = createFlightHarness({
      beforeRead: () => {
        asked = true;
        return gate.opened;
      },
    });
    const body = sampleBytes(1000 * KIB);
    const { upstream, flight } = harness.start(body);
    const reader = flight.reader();
    await upstream.giveAll(body.subarray(0, 900 * KIB));
    const read = reader.read(0, 1000);
    await until(() => asked);
    const lost = new Error('reset');
    upstream.fail(lost);
    await assert.rejects(read, (error) => error === lost);
    gate.open();
  });

  it('rejects where the disk cannot read back, tells of it, and leaves the others alone', async () => {
    harness = createFlightHarness({
      beforeRead: () => {
        throw new Error('EIO');
      },
    });
    const body = sampleBytes(1000 * KIB);
    const { upstream, flight } = harness.start(body);
    const [behind, close] = [flight.reader(), flight.reader()];
    const got = drain(close);
    for (let at = 0; at < body.length; at += 64 * KIB) {
      await upstream.giveAll(body.subarray(at, at + 64 * KIB));
      await turn();
    }
    await assert.rejects(behind.read(0, 1000), { code: 'store' });
    upstream.end();
    assert.ok((await got).equals(body));
    assert.deepEqual(
      harness.faults.map(({ code }) => code),
      ['store'],
    );
  });

  it('waits for a place ahead of the upstream', async () => {
    harness = createFlightHarness();
    const body = sampleBytes(200 * KIB);
    const { upstream, flight } = harness.start(body);
    const read = flight.reader().read(100 * KIB, 5);
    await upstream.giveAll(body.subarray(0, 100 * KIB));
    assert.equal(await isPending(read), true);
    await upstream.giveAll(body.subarray(100 * KIB));
    assert.ok(body.subarray(100 * KIB, 100 * KIB + 5).equals((await read)?.bytes ?? Buffer.alloc(0)));
  });
});
