import { type BudgetOptions, createBudget, type Space } from './budget.js';
import type { Index, StoreEvents } from './contract.js';
import type { Entries } from './entries.js';
import { createEvictor, type Evictor, type EvictorOptions } from './evictor.js';
import type { FileSystem } from './file-system.js';
import { OpenSpools } from './open-spools.js';
import type { PinBoard } from './pins.js';
import { createVictims } from './victims.js';

/** What the store may take, and how long what nobody uses may stay. */
export interface RoomOptions extends BudgetOptions {
  readonly maxAgeMs?: number | undefined;
}

/** The room that the store has, and how it is made. */
export interface StoreRoom extends Pick<Evictor, 'reserve' | 'sweep' | 'close'> {
  readonly spools: OpenSpools;
  /** Undefined until it was measured. */
  readonly space: Space | undefined;
  /** How much room there is now; undefined where the store has no limit. */
  measure(): Promise<Space | undefined>;
}

interface Parts {
  /** Nothing is ever evicted where this is left out, and the disk is the only limit. */
  readonly room: RoomOptions | undefined;
  readonly directory: string;
  readonly files: FileSystem;
  readonly entries: Entries;
  readonly index: Index;
  readonly pins: PinBoard;
  readonly now: () => number;
  readonly remove: EvictorOptions['remove'];
  readonly events: StoreEvents;
}

export function createStoreRoom(parts: Parts): StoreRoom {
  const { room, directory, files, entries, index, pins, now, remove, events } = parts;
  const spools = new OpenSpools();
  // Until all rows are read, what the last run left is the better guess.
  const contentBytes = (): number => Math.max(entries.catalogue.footprintBytes, entries.usage.bytes);
  const budget = createBudget({ ...room, files, directory, spools, contentBytes });
  const victims = createVictims({ catalogue: entries.catalogue, now, maxAgeMs: room?.maxAgeMs, prepare });

  /** Without all rows and facts, nobody knows what is pinned or what was used last. */
  async function prepare(): Promise<boolean> {
    if (room === undefined || !entries.isLoaded || index.needsRebuild) return false;
    await pins.refresh();
    return true;
  }

  const evictor = createEvictor({
    budget,
    victims,
    remove,
    promise: (bytes) => spools.add(bytes),
    onRound: (round) => events.evicted?.(round),
  });
  return {
    ...evictor,
    spools,
    get space() {
      return budget.last;
    },
    measure: async () => (room === undefined ? undefined : budget.measure()),
  };
}
