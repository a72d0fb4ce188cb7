import type { BodySink } from './blob-connection.js';

/** A share of the uplink, used by many at once. */
export interface Bandwidth {
  /** Counts bytes that have come; gives how many milliseconds their reader is to wait before it reads on. */
  spend(bytes: number): number;
}

/** What may come at once after a pause, as a time at full speed. */
const BURST_S = 0.25;
/** No bucket is smaller than one read. */
const MIN_BURST_BYTES = 64 * 1024;

/** A token bucket that may go into debt: what has come has come, and whoever brought it waits until it is paid for. */
export function createBandwidth(bytesPerSecond: number, now: () => number = () => performance.now()): Bandwidth {
  const burst = Math.max(MIN_BURST_BYTES, bytesPerSecond * BURST_S);
  let tokens = burst;
  let at = now();
  return {
    spend(bytes) {
      const time = now();
      tokens = Math.min(burst, tokens + ((time - at) / 1000) * bytesPerSecond) - bytes;
      at = time;
      return tokens >= 0 ? 0 : (-tokens / bytesPerSecond) * 1000;
    },
  };
}

/** A sink that reads no faster than every one of these lets it. */
export function paced(sink: BodySink, shares: readonly Bandwidth[]): BodySink {
  if (shares.length === 0) return sink;
  return (bytes) => {
    const pause = sink(bytes);
    const waitMs = Math.max(...shares.map((share) => share.spend(bytes.length)));
    if (waitMs <= 0) return pause;
    const wait = new Promise<void>((resolve) => setTimeout(resolve, waitMs).unref());
    return pause ? Promise.all([pause, wait]).then(() => undefined) : wait;
  };
}
