import { putNewest } from './put-newest.js';

/** How often something may happen: `burst` times at once, and after that so many times a second. */
export interface BucketLimits {
  readonly burst: number;
  readonly perSecond: number;
}

export interface TokenBuckets {
  /** Takes a token of this key's bucket; false where it is empty. */
  take(key: string): boolean;
  /** Whether the bucket has a token, which is left there. */
  has(key: string): boolean;
  /** How many buckets are remembered. */
  readonly size: number;
}

interface Bucket {
  readonly tokens: number;
  /** Milliseconds of the clock. */
  readonly at: number;
}

const MAX_BUCKETS = 10_000;

/** A token bucket for each key. Those unused for the longest are forgotten when there are too many: a full one needs no memory. */
export function createTokenBuckets(
  { burst, perSecond }: BucketLimits,
  now: () => number = () => performance.now(),
): TokenBuckets {
  const buckets = new Map<string, Bucket>();

  function tokensOf(key: string, at: number): number {
    const bucket = buckets.get(key);
    if (bucket === undefined) return burst;
    return Math.min(burst, bucket.tokens + ((at - bucket.at) / 1000) * perSecond);
  }

  return {
    take: (key) => {
      const at = now();
      const tokens = tokensOf(key, at);
      const taken = tokens >= 1;
      putNewest(buckets, key, { tokens: taken ? tokens - 1 : tokens, at }, MAX_BUCKETS);
      return taken;
    },
    has: (key) => tokensOf(key, now()) >= 1,
    get size() {
      return buckets.size;
    },
  };
}
