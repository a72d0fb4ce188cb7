/** What a process holds at one moment, as its own metrics tell. */
export interface Sample {
  /** Milliseconds of a steady clock. */
  readonly at: number;
  readonly residentBytes: number;
  readonly heapBytes: number;
  readonly descriptors: number;
  /** Handles of libuv: sockets, timers, watchers. */
  readonly handles: number;
}

/** Reads the metrics of a proxy. `admin` is `host:port` of its admin port. */
export async function takeSample(admin: string): Promise<Sample> {
  const text = await (await fetch(`http://${admin}/metrics`)).text();
  return {
    at: performance.now(),
    residentBytes: valueOf(text, 'process_resident_memory_bytes'),
    heapBytes: valueOf(text, 'nodejs_heap_size_used_bytes'),
    descriptors: valueOf(text, 'process_open_fds'),
    handles: valueOf(text, 'nodejs_active_handles_total'),
  };
}

function valueOf(text: string, name: string): number {
  const value = new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1];
  if (value === undefined) throw new Error(`the proxy tells no ${name}`);
  return Number(value);
}

/** The bytes by which a line through the second half of the samples rises from its beginning to its end. */
export function residentGrowth(samples: readonly Sample[]): number {
  const half = samples.slice(Math.floor(samples.length / 2));
  const [first, last] = [half[0], half.at(-1)];
  if (first === undefined || last === undefined) return 0;
  const at = mean(half.map((one) => one.at));
  const bytes = mean(half.map((one) => one.residentBytes));
  const spread = half.reduce((sum, one) => sum + (one.at - at) ** 2, 0);
  if (spread === 0) return 0;
  const together = half.reduce((sum, one) => sum + (one.at - at) * (one.residentBytes - bytes), 0);
  return (together / spread) * (last.at - first.at);
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
