import type { RawHeaders } from '../http/exchange.js';

/** The answer to a HEAD: there is no body to share. */
export interface HeadAnswer {
  readonly status: number;
  readonly headers: RawHeaders;
  /** When it was asked for, on the clock of grants. */
  readonly askedAt?: number;
  /** True where it was asked in nobody's name: it says what anybody may read, and grants this client nothing. */
  readonly stranger?: boolean;
}

/** Equal HEADs that are on their way at the same time are one. */
export interface Heads {
  /** `key` must tell apart whatever could make two answers differ: target, path, Accept set and credential. */
  ask(key: string, send: () => Promise<HeadAnswer>, group?: string): Promise<HeadAnswer>;
  /** Whether a question of this group is on its way: the same for another credential. */
  isAsking(group: string): boolean;
  /** Whether this very question is. */
  isRunning(key: string): boolean;
}

export function createHeads(): Heads {
  const running = new Map<string, Promise<HeadAnswer>>();
  const groups = new Map<string, number>();

  function count(group: string | undefined, change: number): void {
    if (group === undefined) return;
    const questions = (groups.get(group) ?? 0) + change;
    if (questions > 0) groups.set(group, questions);
    else groups.delete(group);
  }

  return {
    isAsking: (group) => groups.has(group),
    isRunning: (key) => running.has(key),
    ask(key, send, group) {
      const known = running.get(key);
      if (known) return known;
      count(group, 1);
      const answer = send().finally(() => {
        running.delete(key);
        count(group, -1);
      });
      running.set(key, answer);
      return answer;
    },
  };
}
