export interface BreakerOptions {
  /** So many failures in a row open it. */
  readonly failures: number;
  /** How long it stays open before somebody may try again. */
  readonly openMs: number;
  /** So many tries in a row have to succeed before it closes: one good answer is no recovery. 2 unless said otherwise. */
  readonly successes?: number;
  /** A clock in milliseconds that never goes back. */
  readonly now?: () => number;
}

/** `closed`: all may pass. `open`: nobody. `half-open`: one at a time, to see whether it works again. */
export type BreakerState = 'closed' | 'open' | 'half-open';

/** Keeps callers away from something that does not work, and lets one of them try now and then. */
export interface Breaker {
  readonly state: BreakerState;
  /** Whether to go ahead. Whoever was told yes says later how it went; a try of which nothing is heard counts for nothing after `openMs`. */
  allow(): boolean;
  success(): void;
  failure(): void;
}

const DEFAULT_SUCCESSES = 2;

export function createBreaker(options: BreakerOptions): Breaker {
  const now = options.now ?? (() => performance.now());
  const needed = options.successes ?? DEFAULT_SUCCESSES;
  let tripped = false;
  let failures = 0;
  let successes = 0;
  /** While tripped: nobody may try before. */
  let nextTryAt = 0;

  return {
    get state() {
      if (!tripped) return 'closed';
      return successes > 0 || now() >= nextTryAt ? 'half-open' : 'open';
    },
    allow() {
      if (!tripped) return true;
      const at = now();
      if (at < nextTryAt) return false;
      nextTryAt = at + options.openMs;
      return true;
    },
    success() {
      failures = 0;
      if (!tripped) return;
      successes += 1;
      tripped = successes < needed;
      nextTryAt = 0;
      if (!tripped) successes = 0;
    },
    failure() {
      failures += 1;
      successes = 0;
      if (!tripped && failures < options.failures) return;
      // Failures of those who had passed before it opened do not keep it open for longer.
      if (tripped && nextTryAt > now()) return;
      tripped = true;
      nextTryAt = now() + options.openMs;
    },
  };
}
