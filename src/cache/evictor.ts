import { setTimeout as delay } from 'node:timers/promises';
import type { Digest } from '../oci/digest.js';
import { createBoundedMap } from './bounded-map.js';
import type { Budget, Space } from './budget.js';
import type { EvictionRound } from './contract.js';
import { footprintBytes } from './footprint.js';
import type { Reservation } from './open-spools.js';
import type { Victim, Victims } from './victims.js';

/** Room below which eviction begins, and up to which it goes on; shares of the budget. */
const HIGH_WATER_ROOM = 0.05;
const LOW_WATER_ROOM = 0.1;
/** Content above this share of the budget has to be asked for twice before other content goes for it. */
const LARGE_SHARE = 1 / 8;
const REMEMBERED_LARGE = 1000;
/** How long an arriving body waits for room; what comes meanwhile is in memory. */
const ROOM_WAIT_MS = 1000;
/** Removed side by side. More would fill the queue of the disk, which readers wait in, too. */
const AT_ONCE = 4;

export interface EvictorOptions {
  readonly budget: Budget;
  readonly victims: Victims;
  /** Removes content; false where it is being read, was pinned, or went meanwhile. Rejects where the disk refuses. */
  readonly remove: (digest: Digest) => Promise<boolean>;
  /** Promises room for a spool. */
  readonly promise: (bytes: number) => Reservation;
  readonly onRound: (round: EvictionRound) => void;
  readonly roomWaitMs?: number;
}

/** Said where room was to be made, and could not be. */
export const NO_ROOM = 'nothing that may be evicted makes enough room in time';

/** Keeps the store within its budget. */
export interface Evictor {
  /** Promises room, which is made where there is none; or says in words why there is none. */
  reserve(bytes: number, digest: Digest | undefined): Promise<Reservation | string>;
  /** Evicts what nobody used for too long, then what is too much. */
  sweep(): Promise<void>;
  close(): Promise<void>;
}

/** Somebody who waits for room. */
interface Demand {
  readonly bytes: number;
  /** Undefined once nobody waits any more. */
  grant: ((reservation: Reservation | undefined) => void) | undefined;
}

export function createEvictor(options: EvictorOptions): Evictor {
  const { budget, victims, remove, promise, onRound, roomWaitMs = ROOM_WAIT_MS } = options;
  const refusedLarge = createBoundedMap<Digest, object>(REMEMBERED_LARGE);
  const demands: Demand[] = [];
  let running: Promise<void> | undefined;
  let isClosed = false;

  async function reserve(bytes: number, digest: Digest | undefined): Promise<Reservation | string> {
    const space = await budget.measure();
    const left = roomOf(space) - bytes;
    if (left >= 0 && demands.length === 0) {
      const reservation = promise(bytes);
      if (left < space.budgetBytes * HIGH_WATER_ROOM) begin();
      return reservation;
    }
    if (bytes > space.budgetBytes) return `it is larger than the store may be (${space.budgetBytes} bytes)`;
    if (isLarge(bytes, space) && !wasRefused(digest)) {
      return 'it is large for the store, and has to be asked for twice before other content goes for it';
    }
    const granted = await demand(bytes);
    return granted ?? NO_ROOM;
  }

  function isLarge(bytes: number, { budgetBytes }: Space): boolean {
    return bytes > budgetBytes * LARGE_SHARE;
  }

  function wasRefused(digest: Digest | undefined): boolean {
    if (digest === undefined) return true;
    const was = refusedLarge.get(digest) !== undefined;
    if (was) refusedLarge.delete(digest);
    else refusedLarge.set(digest, {});
    return was;
  }

  async function demand(bytes: number): Promise<Reservation | undefined> {
    const waiting = new Promise<Reservation | undefined>((grant) => demands.push({ bytes, grant }));
    const mine = demands.at(-1) as Demand;
    begin();
    const late = new AbortController();
    const deadline = delay(roomWaitMs, undefined, { ref: false, signal: late.signal }).catch(() => undefined);
    const granted = await Promise.race([waiting, deadline]);
    // A round goes on for a demand that is late: whoever asks again finds room.
    mine.grant = undefined;
    late.abort();
    return granted;
  }

  function begin(): void {
    if (isClosed) return settle();
    running ??= round().finally(() => {
      running = undefined;
      if (demands.length > 0) begin();
    });
  }

  /** Gives the room that is left to whom it is enough for, and tells the others that there will be none. */
  function settle(roomBytes = 0): void {
    let left = roomBytes;
    for (const { bytes, grant } of demands.splice(0)) {
      const isEnough = grant !== undefined && bytes <= left;
      if (isEnough) left -= bytes;
      grant?.(isEnough ? promise(bytes) : undefined);
    }
  }

  /** Gives room to those who wait, in their order, as far as there is any. */
  function serve(roomBytes: number): number {
    let left = roomBytes;
    for (let first = demands[0]; first !== undefined && first.bytes <= left; first = demands[0]) {
      demands.shift();
      // What is late has got its room, and leaves it to whoever asks next.
      if (first.grant === undefined) continue;
      left -= first.bytes;
      first.grant(promise(first.bytes));
    }
    return left;
  }

  async function round(): Promise<void> {
    const tally = new Tally();
    let left = 0;
    try {
      for (;;) {
        if (isClosed) break;
        const space = await budget.measure();
        const roomBytes = tally.roomBytes(space);
        left = serve(roomBytes);
        tally.promisedBytes += roomBytes - left;
        const wantedBytes = wanted(left, space, tally.entries > 0);
        if (wantedBytes <= 0) break;
        if (!(await evict(await victims.forRoom(), wantedBytes, tally))) break;
      }
    } catch {
      // The disk refuses to remove, which is reported where it happens. Whoever waits goes on without it.
    } finally {
      settle(left);
      tell('room', tally);
    }
  }

  /** What has to go: for those who wait, and once it has begun, up to the low water mark. */
  function wanted(roomBytes: number, { budgetBytes }: Space, hasBegun: boolean): number {
    const forDemands = demands.reduce((sum, { bytes }) => sum + bytes, 0) - roomBytes;
    const isHigh = hasBegun || roomBytes < budgetBytes * HIGH_WATER_ROOM;
    const forWater = isHigh && Number.isFinite(budgetBytes) ? budgetBytes * LOW_WATER_ROOM - roomBytes : 0;
    return Math.max(demands.length > 0 ? forDemands : 0, forWater);
  }

  /** Removes victims until enough has gone; false where none of them could be. */
  async function evict(found: readonly Victim[], wantedBytes: number, tally: Tally): Promise<boolean> {
    const before = tally.freedBytes;
    const queue = found.values();
    let takenBytes = 0;
    const take = (): Victim | undefined => {
      if (isClosed || takenBytes >= wantedBytes) return undefined;
      return queue.next().value;
    };
    const work = async (): Promise<void> => {
      for (let next = take(); next !== undefined; next = take()) {
        const { digest, sizeBytes } = next;
        // Counted before it has gone, so that those who remove side by side don't remove too much.
        takenBytes += footprintBytes(sizeBytes);
        if (await remove(digest)) tally.add(sizeBytes);
        else takenBytes -= footprintBytes(sizeBytes);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    return !isClosed && tally.freedBytes > before;
  }

  function tell(reason: EvictionRound['reason'], { entries, bytes, ms }: Tally): void {
    if (entries > 0) onRound({ reason, entries, bytes, ms });
  }

  async function sweep(): Promise<void> {
    const tally = new Tally();
    try {
      let goOn = true;
      while (goOn) goOn = await evict(await victims.forAge(), Number.POSITIVE_INFINITY, tally);
    } catch {
      // As in a round: reported where it happens, and tried again with the next sweep.
    } finally {
      tell('age', tally);
    }
    begin();
    await running;
  }

  return {
    reserve,
    sweep,
    async close() {
      isClosed = true;
      settle();
      await running;
    },
  };
}

function roomOf({ budgetRoomBytes, diskRoomBytes }: Space): number {
  return Math.min(budgetRoomBytes, diskRoomBytes);
}

/** What a round has removed so far. */
class Tally {
  readonly #startedAt = performance.now();
  #firstDiskRoomBytes: number | undefined;
  entries = 0;
  bytes = 0;
  /** What the removed files took on the disk. */
  freedBytes = 0;
  promisedBytes = 0;

  get ms(): number {
    return Math.round(performance.now() - this.#startedAt);
  }

  add(sizeBytes: number): void {
    this.entries += 1;
    this.bytes += sizeBytes;
    this.freedBytes += footprintBytes(sizeBytes);
  }

  /** The room there is. What was removed counts as free even where the file system takes its time, lest too much goes. */
  roomBytes(space: Space): number {
    this.#firstDiskRoomBytes ??= space.diskRoomBytes;
    const freed = this.#firstDiskRoomBytes + this.freedBytes - this.promisedBytes;
    return Math.min(space.budgetRoomBytes, Math.max(space.diskRoomBytes, freed));
  }
}
