import type { BufferPool } from './buffer-pool.js';
import { createBusyMeter } from './busy-meter.js';
import type { FactStore } from './contract.js';
import type { DiskStore } from './disk-store.js';
import type { FaultBoard } from './fault-board.js';
import type { FileSystem } from './file-system.js';
import { startFolderGuard } from './folder-guard.js';
import { quarantineLimitBytes } from './quarantine.js';
import { type ScrubProgress, startScrub } from './scrub.js';
import { createSteadyClock } from './steady-clock.js';
import { startSweeper } from './sweep.js';
import { expireTags } from './tag-expiry.js';

const LOOK_EVERY_MS = 2_000;

export interface UpkeepOptions {
  readonly directory: string;
  readonly files: FileSystem;
  readonly faults: FaultBoard;
  readonly store: Pick<DiskStore, 'check' | 'usage' | 'measure'>;
  readonly facts: FactStore;
  readonly pool: BufferPool;
  /** How long a round of the scrubber takes; undefined for none. */
  readonly scrubRoundMs: number | undefined;
  readonly lookEveryMs?: number | undefined;
}

/** What goes on in an open data folder by itself. */
export interface Upkeep {
  readonly scrub: ScrubProgress | undefined;
  close(): Promise<void>;
}

export function startUpkeep(options: UpkeepOptions): Upkeep {
  const { directory, files, faults, store, facts, pool, scrubRoundMs, lookEveryMs = LOOK_EVERY_MS } = options;
  const guard = startFolderGuard({ directory, files, faults, everyMs: lookEveryMs });
  const now = createSteadyClock();
  const sweeper = startSweeper({
    directory,
    also: () => expireTags(facts, now()),
    quarantineBytes: async () => quarantineLimitBytes(await store.measure()),
  });
  const scrub =
    scrubRoundMs === undefined
      ? undefined
      : startScrub({
          directory,
          check: store.check,
          roundMs: scrubRoundMs,
          storedBytes: () => store.usage.bytes,
          isBusy: createBusyMeter(pool),
        });
  return {
    get scrub() {
      return scrub?.progress;
    },
    async close() {
      await Promise.all([guard.close(), sweeper.close(), scrub?.close()]);
    },
  };
}
