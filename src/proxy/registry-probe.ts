import { formatAuthority } from '../net/authority.js';
import { putNewest } from '../net/put-newest.js';
import type { KnownVerdict } from './verdict.js';

/** What is remembered of a host across restarts. */
export interface HostMemory {
  readonly isRegistry: boolean;
  /** Milliseconds since the epoch. */
  readonly until: number;
}

export interface RegistryProbeOptions {
  /** Asks a host, without credentials, whether it is a registry. `unknown` for every answer that is none. */
  readonly ask: (host: string, port: number, signal: AbortSignal) => Promise<'registry' | 'other' | 'unknown'>;
  readonly memory: {
    get(key: string): Promise<HostMemory | undefined>;
    set(key: string, value: HostMemory): Promise<void>;
  };
  /** The clock, milliseconds since the epoch. */
  readonly now?: () => number;
}

/** Finds out which hosts are registries. */
export interface RegistryProbe {
  /** What is known of the host, waiting at most `waitMs` for it; the question goes on after that. Never rejects. */
  verdictFor(host: string, port: number, waitMs?: number): Promise<Exclude<KnownVerdict, undefined>>;
  /** Notes that the host has delivered as a registry does: from now on it is opened unasked, even through an outage. */
  learn(host: string, port: number): void;
  /** Ends the questions that are still open. */
  close(): void;
}

interface Held {
  readonly verdict: 'registry' | 'other' | 'unknown';
  readonly until: number;
}

const WAIT_MS = 500;
const ASK_TIMEOUT_MS = 10_000;
const YES_MS = 24 * 3_600_000;
const NO_MS = 3_600_000;
const ASK_AGAIN_MS = 30_000;
const FOR_EVER = Number.MAX_SAFE_INTEGER;
const MAX_HELD = 10_000;
const MAX_QUESTIONS = 64;

export function createRegistryProbe(options: RegistryProbeOptions): RegistryProbe {
  const now = options.now ?? Date.now;
  const held = new Map<string, Held>();
  const questions = new Map<string, Promise<Held>>();
  const closing = new AbortController();

  function hold(key: string, entry: Held): Held {
    putNewest(held, key, entry, MAX_HELD);
    return entry;
  }

  function remember(key: string, memory: HostMemory): void {
    // A memory that fails costs a question after the next start, and nothing now.
    options.memory.set(key, memory).catch(() => undefined);
  }

  async function findOut(key: string, host: string, port: number): Promise<Held> {
    const stored = await options.memory.get(key).catch(() => undefined);
    if (stored !== undefined && stored.until > now()) {
      return hold(key, { verdict: stored.isRegistry ? 'registry' : 'other', until: stored.until });
    }
    const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(ASK_TIMEOUT_MS)]);
    const verdict = await options.ask(host, port, signal).catch(() => 'unknown' as const);
    if (verdict === 'unknown') {
      // A registry that is down is a registry still: an outage must not turn it into a tunnel.
      const wasRegistry = stored?.isRegistry === true || held.get(key)?.verdict === 'registry';
      return hold(key, { verdict: wasRegistry ? 'registry' : 'unknown', until: now() + ASK_AGAIN_MS });
    }
    const isRegistry = verdict === 'registry';
    const until = now() + (isRegistry ? YES_MS : NO_MS);
    // It may have delivered while it was asked.
    const learned = held.get(key);
    if (learned?.until === FOR_EVER) return learned;
    remember(key, { isRegistry, until });
    return hold(key, { verdict, until });
  }

  function question(key: string, host: string, port: number): Promise<Held> | undefined {
    const open = questions.get(key);
    if (open !== undefined) return open;
    if (questions.size >= MAX_QUESTIONS) return undefined;
    const asked = findOut(key, host, port).finally(() => questions.delete(key));
    questions.set(key, asked);
    return asked;
  }

  return {
    verdictFor: async (host, port, waitMs = WAIT_MS) => {
      const key = formatAuthority(host, port);
      const known = held.get(key);
      if (known !== undefined && known.until > now()) return known.verdict;
      const answer = await within(waitMs, question(key, host, port));
      return answer?.verdict ?? (known?.verdict === 'registry' ? 'registry' : 'unknown');
    },
    learn: (host, port) => {
      const key = formatAuthority(host, port);
      if (held.get(key)?.until === FOR_EVER) return;
      hold(key, { verdict: 'registry', until: FOR_EVER });
      remember(key, { isRegistry: true, until: FOR_EVER });
    },
    close: () => closing.abort(),
  };
}

async function within<T>(ms: number, promise: Promise<T> | undefined): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
