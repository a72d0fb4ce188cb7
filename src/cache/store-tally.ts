import type { StoreEvents, Totals } from './contract.js';

/** What has happened to a store since it was opened. */
export interface StoreTally {
  readonly evicted: Totals;
  /** When the last round of eviction removed something, milliseconds since the epoch; undefined where none has. */
  readonly lastEvictedAt: number | undefined;
  /** Contents that turned out to be damaged. */
  readonly damaged: number;
}

/** Counts what a store tells of on its way to `events`. */
export function tallyEvents(
  events: StoreEvents,
  now: () => number = Date.now,
): { readonly tally: StoreTally; readonly events: StoreEvents } {
  const tally = { evicted: { bytes: 0, entries: 0 }, lastEvictedAt: undefined as number | undefined, damaged: 0 };
  return {
    tally,
    events: {
      ...events,
      quarantined(digest, reason) {
        tally.damaged += 1;
        events.quarantined(digest, reason);
      },
      evicted(round) {
        tally.evicted = {
          bytes: tally.evicted.bytes + round.bytes,
          entries: tally.evicted.entries + round.entries,
        };
        tally.lastEvictedAt = now();
        events.evicted?.(round);
      },
    },
  };
}
