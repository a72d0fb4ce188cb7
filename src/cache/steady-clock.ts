/** A difference that a clock may be put right by without being mistrusted. */
const TOLERANCE_MS = 60_000;

/**
 * The time of day, but for jumps: where the system's clock is set by more than a minute at once, time goes on from
 * where it was until the next start. Otherwise a clock set wrong for a moment would make everything stored look unused.
 */
export function createSteadyClock(
  wallNow: () => number = Date.now,
  elapsedMs: () => number = () => performance.now(),
): () => number {
  let wall = wallNow();
  let elapsed = elapsedMs();
  return () => {
    const read = wallNow();
    const passed = elapsedMs();
    const expected = wall + (passed - elapsed);
    if (Math.abs(read - expected) > TOLERANCE_MS) return Math.floor(expected);
    wall = read;
    elapsed = passed;
    return read;
  };
}
