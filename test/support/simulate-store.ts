import type { PullTrace } from './pull-trace.js';

/** How much a content deserves to be evicted. */
export type Score = (idleMs: number, sizeBytes: number, uses: number) => number;

export interface Policy {
  readonly score: Score;
  /** Content above this share of the budget has to be asked for twice before others go for it. */
  readonly largeShare?: number;
}

/** Shares of what was asked for that the store had. */
export interface HitRatios {
  readonly contents: number;
  readonly bytes: number;
  /** Of contents below 1 MiB. */
  readonly small: number;
  /** Pulls that needed nothing from upstream. */
  readonly pulls: number;
}

interface Held {
  usedAt: number;
  uses: number;
}

const PULL_EVERY_MS = 30_000;
const LOW_WATER = 0.9;
const SMALL_BYTES = 1024 * 1024;

export const LRU: Policy = { score: (idleMs) => idleMs };

/** Runs a trace through a store of a size, which makes room as the real one does. */
export function simulateStore({ pulls, sizes }: PullTrace, budgetBytes: number, policy: Policy): HitRatios {
  const { score, largeShare = Number.POSITIVE_INFINITY } = policy;
  const held = new Map<number, Held>();
  const refused = new Set<number>();
  const asked = { contents: 0, bytes: 0, small: 0, pulls: 0 };
  const hit = { contents: 0, bytes: 0, small: 0, pulls: 0 };
  let usedBytes = 0;
  let now = 0;

  function count(counts: typeof asked, bytes: number): void {
    counts.contents += 1;
    counts.bytes += bytes;
    if (bytes < SMALL_BYTES) counts.small += 1;
  }

  function makeRoom(bytes: number): void {
    const target = Math.min(budgetBytes * LOW_WATER, budgetBytes - bytes);
    const scored = [...held].map(([content, { usedAt, uses }]) => {
      return { content, score: score(now - usedAt, sizes[content] ?? 0, uses) };
    });
    for (const { content } of scored.toSorted((a, b) => b.score - a.score)) {
      if (usedBytes <= target) return;
      held.delete(content);
      usedBytes -= sizes[content] ?? 0;
    }
  }

  function mayStore(content: number, bytes: number): boolean {
    if (usedBytes + bytes <= budgetBytes) return true;
    if (bytes > budgetBytes) return false;
    if (bytes <= budgetBytes * largeShare || refused.delete(content)) return true;
    refused.add(content);
    return false;
  }

  function ask(content: number): boolean {
    const bytes = sizes[content] ?? 0;
    count(asked, bytes);
    const entry = held.get(content);
    if (entry !== undefined) {
      count(hit, bytes);
      if (now - entry.usedAt >= 60_000) entry.uses += 1;
      entry.usedAt = now;
      return true;
    }
    if (!mayStore(content, bytes)) return false;
    if (usedBytes + bytes > budgetBytes) makeRoom(bytes);
    held.set(content, { usedAt: now, uses: 1 });
    usedBytes += bytes;
    return false;
  }

  for (const pull of pulls) {
    now += PULL_EVERY_MS;
    asked.pulls += 1;
    const hits = pull.map(ask);
    if (hits.every(Boolean)) hit.pulls += 1;
  }
  return {
    contents: hit.contents / asked.contents,
    bytes: hit.bytes / asked.bytes,
    small: hit.small / asked.small,
    pulls: hit.pulls / asked.pulls,
  };
}
