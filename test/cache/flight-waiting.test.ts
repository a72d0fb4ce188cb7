import assert from 'node:assert/strict';
import type { FlightReader } from '../../src/cache/flight-reader.js';
import { WaitingReaders } from '../../src/cache/flight-waiting.js';
import { isPending, until } from '../support/flight-harness.js';

/** A reader that counts how often it is woken, and comes back each time if it is told to. */
function add(waiting: WaitingReaders, comesBack = false): { woken: number } {
  const counts = { woken: 0 };
  const reader = {
    wake() {
      counts.woken += 1;
      if (comesBack) waiting.add(this as unknown as FlightReader);
    },
  } as unknown as FlightReader;
  waiting.add(reader);
  return counts;
}

describe('cache/flight-waiting', () => {
  it('wakes once for all that comes in one turn', async () => {
    const waiting = new WaitingReaders();
    const reader = add(waiting, true);
    for (let received = 1; received < 100; received += 1) waiting.onReceived(received * 64 * 1024);
    assert.equal(reader.woken, 0);
    await until(() => reader.woken > 0);
    assert.equal(await isPending(new Promise(() => {})), true);
    assert.equal(reader.woken, 1);
    waiting.clear();
  });

  it('wakes for a large step in the next turn, and for a small one a moment later', async () => {
    const waiting = new WaitingReaders();
    const reader = add(waiting, true);
    waiting.onReceived(1);
    await until(() => reader.woken === 1);
    waiting.onReceived(2);
    await until(() => reader.woken === 2);
    waiting.onReceived(200 * 1024);
    assert.equal(await isPending(until(() => reader.woken === 3)), false);
    waiting.clear();
  });

  it('forgets a reader once it is woken or taken out', () => {
    const waiting = new WaitingReaders();
    const reader = add(waiting);
    waiting.wake();
    waiting.wake();
    assert.equal(reader.woken, 1);
    assert.equal(waiting.size, 0);
    const gone = { wake: () => assert.fail('woken after it had left') } as unknown as FlightReader;
    waiting.add(gone);
    waiting.delete(gone);
    waiting.wake();
  });

  it('wakes nobody after it was cleared', async () => {
    const waiting = new WaitingReaders();
    const reader = add(waiting);
    waiting.onReceived(1_000_000);
    waiting.clear();
    assert.equal(await isPending(new Promise(() => {})), true);
    assert.equal(reader.woken, 0);
  });
});
