import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import type { Digest } from '../oci/digest.js';
import type { ContentCheck } from './content-check.js';
import { walkDigests, walkedShare } from './content-walk.js';
import { keepScrubPosition, readScrubPosition } from './scrub-position.js';

/** A large file is read at this rate at least: what is begun should be through before the next restart. */
const LEAST_BYTES_PER_MS = (8 * 1024 * 1024) / 1000;
/** How much faster than a round asks for on average, so that what was put off for traffic is made up for. */
const CATCH_UP = 2;
/** How much slower while clients are served. */
const YIELD = 8;
const KEEP_POSITION_MS = 60_000;
/** Timers of Node reach 24 days. */
const LONGEST_WAIT_MS = 3_600_000;

export interface ScrubOptions {
  readonly directory: string;
  readonly check: ContentCheck;
  /** How long one round over all content takes. */
  readonly roundMs: number;
  readonly storedBytes: () => number;
  readonly isBusy: () => boolean;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
  /** Waits; gives up with a rejection when the signal says so. */
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<unknown>;
}

/** What was done since the start, but for `share`, which outlives it. */
export interface ScrubProgress {
  /** How far the present round is, from 0 to 1. */
  readonly share: number;
  readonly checked: number;
  readonly checkedBytes: number;
  readonly bad: number;
  readonly rounds: number;
}

export interface Scrub {
  readonly progress: ScrubProgress;
  /** Ends it within a few reads, and keeps the position. */
  close(): Promise<void>;
}

/**
 * Hashes all stored content, round after round. Digests are spread evenly, so each file has its own time in the round:
 * the load is even, and no total has to be known. A restart goes on from the position that was kept.
 */
export function startScrub(options: ScrubOptions): Scrub {
  const { directory, check, roundMs } = options;
  const now = options.now ?? (() => performance.now());
  const wait = options.wait ?? ((ms, signal) => delay(ms, undefined, { signal, ref: false }));
  const stop = new AbortController();
  const count = { checked: 0, checkedBytes: 0, bad: 0, rounds: 0 };
  let position: Digest | undefined;
  let keptAt = now();

  async function run(): Promise<void> {
    position = await readScrubPosition(directory);
    for (;;) {
      const startedAt = now() - roundMs * (position === undefined ? 0 : walkedShare(position));
      await oneRound(startedAt);
      await until(startedAt + roundMs);
      count.rounds += 1;
      position = undefined;
      await keep();
    }
  }

  async function oneRound(startedAt: number): Promise<void> {
    for await (const digests of walkDigests(directory, position)) {
      for (const digest of digests) {
        await until(startedAt + roundMs * walkedShare(digest));
        const { verdict, bytes } = await check(digest, pace);
        count.checkedBytes += bytes;
        if (verdict === 'good' || verdict === 'bad') count.checked += 1;
        if (verdict === 'bad') count.bad += 1;
        position = digest;
        if (now() - keptAt >= KEEP_POSITION_MS) await keep();
      }
      stop.signal.throwIfAborted();
    }
  }

  async function pace(bytes: number): Promise<void> {
    const rate = Math.max(LEAST_BYTES_PER_MS, (CATCH_UP * options.storedBytes()) / roundMs);
    await wait((options.isBusy() ? YIELD : 1) * (bytes / rate), stop.signal);
  }

  async function until(dueAt: number): Promise<void> {
    for (let left = dueAt - now(); left > 0; left = dueAt - now()) {
      await wait(Math.min(left, LONGEST_WAIT_MS), stop.signal);
    }
    stop.signal.throwIfAborted();
  }

  async function keep(): Promise<void> {
    keptAt = now();
    await keepScrubPosition(directory, position);
  }

  const running = run().catch((error: unknown) => {
    if (!stop.signal.aborted) throw error;
  });

  return {
    get progress() {
      return { share: position === undefined ? 0 : walkedShare(position), ...count };
    },
    async close() {
      stop.abort();
      await running;
      await keep();
    },
  };
}
