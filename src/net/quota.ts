/** How much of something there may be at once: for one client, and for all together. */
export interface QuotaLimits {
  readonly perClient: number;
  readonly total: number;
}

/** Counts what clients hold at the moment of something of which there is only so much. */
export interface Quota {
  /** Takes one; gives the function that gives it back, once. Undefined where the client, or all together, have no more. */
  take(client: string): (() => void) | undefined;
  /** What is taken now, by all. */
  readonly used: number;
}

export function createQuota({ perClient, total }: QuotaLimits): Quota {
  const held = new Map<string, number>();
  let used = 0;

  function give(client: string): void {
    used -= 1;
    const left = (held.get(client) ?? 0) - 1;
    if (left > 0) held.set(client, left);
    else held.delete(client);
  }

  return {
    take: (client) => {
      const mine = held.get(client) ?? 0;
      if (mine >= perClient || used >= total) return undefined;
      held.set(client, mine + 1);
      used += 1;
      let given = false;
      return () => {
        if (!given) give(client);
        given = true;
      };
    },
    get used() {
      return used;
    },
  };
}
