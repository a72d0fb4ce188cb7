import assert from 'node:assert/strict';
import type { EvictionRound } from '../../src/cache/contract.js';
import { createEvictor, type Evictor, type EvictorOptions, NO_ROOM } from '../../src/cache/evictor.js';
import { footprintBytes } from '../../src/cache/footprint.js';
import type { Reservation } from '../../src/cache/open-spools.js';
import type { Victim } from '../../src/cache/victims.js';
import type { Digest } from '../../src/oci/digest.js';
import { digestOfBytes } from '../support/memory-store.js';

const SIZE = 100_000;
const TAKEN = footprintBytes(SIZE);

function inWords(outcome: Reservation | string): string {
  return typeof outcome === 'string' ? outcome : 'room';
}

describe('cache/evictor', () => {
  let held: Victim[];
  let kept: Set<Digest>;
  let aged: Digest[];
  let promised: number;
  let removals: number;
  let atOnce: number;
  let mostAtOnce: number;
  let rounds: EvictionRound[];
  /** How much of what was removed the file system still holds. */
  let heldBack: number;

  const BUDGET = 100 * TAKEN;

  beforeEach(() => {
    held = [];
    kept = new Set();
    aged = [];
    promised = 0;
    removals = 0;
    atOnce = 0;
    mostAtOnce = 0;
    rounds = [];
    heldBack = 0;
  });

  function hold(count: number): void {
    for (let n = 0; n < count; n += 1) held.push({ digest: digestOfBytes(Buffer.from(`${n}`)), sizeBytes: SIZE });
  }

  async function remove(digest: Digest): Promise<boolean> {
    removals += 1;
    atOnce += 1;
    mostAtOnce = Math.max(mostAtOnce, atOnce);
    await new Promise((resolve) => setImmediate(resolve));
    atOnce -= 1;
    if (kept.has(digest)) return false;
    held = held.filter((victim) => victim.digest !== digest);
    return true;
  }

  function evictor(options: Partial<EvictorOptions> = {}): Evictor {
    return createEvictor({
      budget: {
        async measure() {
          const usedBytes = held.length * TAKEN + promised;
          const roomBytes = BUDGET - usedBytes;
          return { budgetBytes: BUDGET, usedBytes, budgetRoomBytes: roomBytes, diskRoomBytes: roomBytes - heldBack };
        },
        last: undefined,
      },
      victims: {
        forRoom: async () => held.slice(0, 30),
        forAge: async () => held.filter(({ digest }) => aged.includes(digest)),
      },
      remove,
      promise(bytes) {
        promised += bytes;
        return { bytes, writtenBytes: () => 0 };
      },
      onRound: (round) => rounds.push(round),
      roomWaitMs: 60_000,
      ...options,
    });
  }

  it('promises room at once where there is enough, and evicts nothing', async () => {
    hold(50);
    const one = evictor();
    const reservation = await one.reserve(5 * TAKEN, undefined);
    assert.ok(typeof reservation === 'object' && reservation.bytes === 5 * TAKEN);
    await one.close();
    assert.deepEqual([removals, rounds.length], [0, 0]);
  });

  it('makes room for what comes, four at a time, then goes on to the low water mark, and tells of it once', async () => {
    hold(98);
    const one = evictor();
    const reservation = await one.reserve(5 * TAKEN, undefined);
    assert.ok(typeof reservation === 'object');
    await one.sweep();
    assert.equal(held.length, 85);
    assert.equal(mostAtOnce, 4);
    assert.deepEqual(
      rounds.map(({ reason, entries, bytes }) => [reason, entries, bytes]),
      [['room', 13, 13 * SIZE]],
    );
  });

  it('begins in the background when room gets scarce, and not before', async () => {
    hold(90);
    const one = evictor();
    await one.reserve(4 * TAKEN, undefined);
    await one.sweep();
    assert.equal(held.length, 90);
    await one.reserve(2 * TAKEN, undefined);
    await one.sweep();
    assert.equal(held.length, 84);
  });

  it('serves those who wait in their order', async () => {
    hold(100);
    const one = evictor();
    const order: number[] = [];
    const asked = [12, 3, 7].map((times) => one.reserve(times * TAKEN, undefined).then(() => order.push(times)));
    await Promise.all(asked);
    assert.deepEqual(order, [12, 3, 7]);
    await one.sweep();
    assert.equal(held.length, 100 - 22 - 10);
  });

  it('says so where nothing may go', async () => {
    hold(100);
    kept = new Set(held.map(({ digest }) => digest));
    assert.equal(await evictor().reserve(TAKEN, undefined), NO_ROOM);
    assert.equal(held.length, 100);
    assert.deepEqual(rounds, []);
  });

  it('has room for a small one that waits behind a large one for which there is none', async () => {
    hold(95);
    kept = new Set(held.map(({ digest }) => digest));
    const one = evictor();
    const asked = [one.reserve(12 * TAKEN, undefined), one.reserve(3 * TAKEN, undefined)];
    const outcomes = await Promise.all(asked);
    assert.equal(outcomes[0], NO_ROOM);
    assert.equal(typeof outcomes[1], 'object');
    assert.equal(promised, 3 * TAKEN);
  });

  it('goes around what may not go', async () => {
    hold(100);
    kept = new Set(held.slice(0, 5).map(({ digest }) => digest));
    assert.equal(typeof (await evictor().reserve(2 * TAKEN, undefined)), 'object');
    assert.ok([...kept].every((digest) => held.some((victim) => victim.digest === digest)));
  });

  it('keeps nobody waiting for a disk that is slow to remove, and has the room for whoever asks again', async () => {
    hold(100);
    let release = (): void => {};
    const stuck = new Promise<void>((resolve) => {
      release = resolve;
    });
    const one = evictor({ remove: (digest) => stuck.then(() => remove(digest)), roomWaitMs: 1 });
    assert.equal(await one.reserve(2 * TAKEN, undefined), NO_ROOM);
    release();
    await one.sweep();
    assert.equal(typeof (await one.reserve(2 * TAKEN, undefined)), 'object');
  });

  it('does not evict ever more where the file system is slow to give the room back', async () => {
    hold(100);
    const slow = evictor({
      async remove(digest) {
        heldBack += TAKEN;
        return remove(digest);
      },
    });
    assert.equal(typeof (await slow.reserve(2 * TAKEN, undefined)), 'object');
    await slow.close();
    assert.equal(held.length, 88);
  });

  it('refuses at once what is larger than the whole budget', async () => {
    hold(99);
    assert.match(inWords(await evictor().reserve(BUDGET + 1, undefined)), /larger than the store may be/);
    assert.equal(removals, 0);
  });

  it('lets large content push others out when it is asked for again, each time', async () => {
    hold(95);
    const one = evictor();
    const [large, other] = ['large', 'other'].map((text) => digestOfBytes(Buffer.from(text)));
    const bytes = 13 * TAKEN;
    for (let time = 0; time < 2; time += 1) {
      assert.match(inWords(await one.reserve(bytes, large)), /asked for twice/);
      assert.match(inWords(await one.reserve(bytes, other)), /asked for twice/);
      assert.equal(typeof (await one.reserve(bytes, large)), 'object');
      assert.equal(typeof (await one.reserve(bytes, other)), 'object');
      await one.sweep();
      promised = 0;
      hold(95 - held.length);
    }
  });

  it('evicts what is too old, whatever room there is', async () => {
    hold(10);
    aged = held.slice(2, 5).map(({ digest }) => digest);
    await evictor().sweep();
    assert.equal(held.length, 7);
    assert.deepEqual(
      rounds.map(({ reason, entries }) => [reason, entries]),
      [['age', 3]],
    );
  });

  it('gives up where the disk refuses to remove, and tries again with the next who asks', async () => {
    hold(100);
    let refuses = true;
    const one = evictor({ remove: (digest) => (refuses ? Promise.reject(new Error('EROFS')) : remove(digest)) });
    assert.equal(await one.reserve(TAKEN, undefined), NO_ROOM);
    refuses = false;
    assert.equal(typeof (await one.reserve(TAKEN, undefined)), 'object');
  });

  it('ends with the store, and leaves nobody waiting', async () => {
    hold(100);
    const one = evictor();
    const waiting = one.reserve(10 * TAKEN, undefined);
    await one.close();
    const outcome = await waiting;
    assert.ok(outcome === NO_ROOM || typeof outcome === 'object');
    assert.equal(await one.reserve(50 * TAKEN, undefined), NO_ROOM);
  });
});
