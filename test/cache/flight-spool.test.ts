import assert from 'node:assert/strict';
import { FlightSpool } from '../../src/cache/flight-spool.js';
import { Chunk, createChunkMemory } from '../../src/cache/flight-window.js';
import type { ProxyError } from '../../src/errors.js';
import { sampleBytes, sha256Of } from '../support/fake-fill.js';
import { createGate, isPending, until } from '../support/flight-harness.js';
import { createStubStore, type StubSpoolHooks, type StubStore } from '../support/stub-spool.js';

describe('cache/flight-spool', () => {
  const memory = createChunkMemory(10);
  let store: StubStore;
  let faults: ProxyError[];
  let spool: FlightSpool;

  function open(hooks: StubSpoolHooks = {}): void {
    store = createStubStore(hooks);
    faults = [];
    spool = new FlightSpool({ onWritten: () => {}, onFault: (error) => faults.push(error) });
    void spool.start(store.createSpool(undefined));
  }

  function chunk(offset: number): Chunk {
    const made = new Chunk(offset, 10, memory);
    made.fill(sampleBytes(10, offset + 1));
    return made;
  }

  afterEach(async () => {
    await spool.close();
    assert.equal(store.openSpools, 0);
    store.remove();
  });

  it('appends one chunk after the other while more are queued', async () => {
    const gates = [createGate(), createGate(), createGate()];
    let appends = 0;
    open({
      beforeAppend: async (count) => {
        appends += 1;
        await gates[count]?.opened;
      },
    });
    for (const offset of [0, 10, 20]) spool.append(chunk(offset));
    await until(() => appends === 1);
    assert.equal(spool.writtenBytes, 0);
    gates[0]?.open();
    await until(() => appends === 2);
    assert.equal(spool.writtenBytes, 10);
    gates[1]?.open();
    gates[2]?.open();
    const body = Buffer.concat([0, 10, 20].map((offset) => sampleBytes(10, offset + 1)));
    const entry = await spool.commit(sha256Of(body), 'text/plain');
    assert.equal(entry?.mediaType, 'text/plain');
    assert.ok(store.committed[0]?.bytes.equals(body));
    assert.deepEqual(faults, []);
  });

  it('goes on appending after its queue was empty', async () => {
    open();
    spool.append(chunk(0));
    await until(() => spool.writtenBytes === 10);
    spool.append(chunk(10));
    await until(() => spool.writtenBytes === 20);
  });

  it('detaches at a fault of the disk and keeps what is written readable', async () => {
    open({
      beforeAppend: (count) => {
        if (count === 1) throw new Error('EIO');
      },
    });
    for (const offset of [0, 10, 20]) spool.append(chunk(offset));
    await until(() => spool.detached);
    assert.equal(await spool.commit(sha256Of(Buffer.alloc(0)), undefined), undefined);
    assert.equal(store.committed.length, 0);
    assert.equal(faults.length, 1);
    assert.equal(faults[0]?.code, 'store');
    const into = Buffer.alloc(20);
    assert.equal(await spool.read(into, 0), 10);
    assert.ok(into.subarray(0, 10).equals(sampleBytes(10, 1)));
  });

  it('counts a spool that cannot be made as a fault, not as a rejection', async () => {
    open({ beforeCreate: () => Promise.reject(new Error('ENOSPC')) });
    spool.append(chunk(0));
    assert.equal(await spool.commit(sha256Of(Buffer.alloc(0)), undefined), undefined);
    assert.equal(spool.writtenBytes, 0);
    assert.match(faults[0]?.message ?? '', /ENOSPC/);
    await assert.rejects(spool.read(Buffer.alloc(1), 0), { code: 'store' });
  });

  it('gives memory back once a chunk is written, or the spool is detached', async () => {
    let given = 0;
    const counted = { ...memory, give: () => (given += 1) };
    const gate = createGate();
    open({ beforeAppend: (count) => (count === 1 ? gate.opened : undefined) });
    for (const offset of [0, 10, 20]) {
      const made = new Chunk(offset, 10, counted);
      made.fill(sampleBytes(10));
      spool.append(made);
      made.release();
    }
    await until(() => spool.writtenBytes === 10);
    assert.equal(given, 1);
    spool.detach();
    assert.equal(given, 2, 'the one being written is still held');
    gate.open();
    await until(() => given === 3);
  });

  it('closes only after the reads and the append that run', async () => {
    const reading = createGate();
    const appending = createGate();
    open({
      beforeAppend: (count) => (count === 1 ? appending.opened : undefined),
      beforeRead: () => reading.opened,
    });
    spool.append(chunk(0));
    await until(() => spool.writtenBytes === 10);
    spool.append(chunk(10));
    const read = spool.read(Buffer.alloc(10), 0);
    const closed = spool.close();
    assert.equal(await isPending(closed), true);
    appending.open();
    assert.equal(await isPending(closed), true);
    await assert.rejects(spool.read(Buffer.alloc(10), 0), { code: 'store' });
    reading.open();
    assert.equal(await read, 10);
    await closed;
    assert.equal(store.openSpools, 0);
  });
});
