import { type EventLoopUtilization, performance } from 'node:perf_hooks';
import type { BufferPool } from './buffer-pool.js';

/** Above this share of its time this thread is at work for somebody. */
const BUSY_SHARE = 0.3;

/**
 * Tells whether clients are served just now: bodies on their way hold memory of the pool, downloads keep the thread at
 * work. Each call looks at the time since the last one.
 */
export function createBusyMeter(
  pool: Pick<BufferPool, 'outBytes'>,
  utilization: () => EventLoopUtilization = () => performance.eventLoopUtilization(),
): () => boolean {
  let last = utilization();
  return () => {
    const before = last;
    last = utilization();
    const idle = last.idle - before.idle;
    const active = last.active - before.active;
    return pool.outBytes > 0 || active > BUSY_SHARE * (active + idle);
  };
}
