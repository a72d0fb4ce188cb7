import type { RawHeaders } from '../http/exchange.js';

/** The answer to a HEAD: there is no body to share. */
export interface HeadAnswer {
  readonly status: number;
  readonly headers: RawHeaders;
  /** When it was asked for, on the clock of grants. */
  readonly askedAt?: number;
}

/** Equal HEADs that are on their way at the same time are one. */
export interface Heads {
  /** `key` must tell apart whatever could make two answers differ: target, path, Accept set and credential. */
  ask(key: string, send: () => Promise<HeadAnswer>): Promise<HeadAnswer>;
}

export function createHeads(): Heads {
  const running = new Map<string, Promise<HeadAnswer>>();
  return {
    ask(key, send) {
      const known = running.get(key);
      if (known) return known;
      const answer = send().finally(() => running.delete(key));
      running.set(key, answer);
      return answer;
    },
  };
}
