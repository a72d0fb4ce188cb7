import type { Access } from '../access/access.js';
import type { Target } from '../http/exchange.js';
import { putNewest } from '../net/put-newest.js';
import type { Digest } from '../oci/digest.js';
import type { PublicAnswer } from '../upstream/anonymous.js';

/** A root manifest that a repository has just shown to somebody, and may show to anybody. */
export interface ProofCandidate {
  readonly target: Target;
  readonly scope: string;
  readonly repository: string;
  readonly digest: Digest;
  readonly sizeBytes: number;
}

export interface PublicProofsOptions {
  readonly access: Pick<Access, 'isPublic' | 'provePublic' | 'dropPublic'>;
  /** The signal is aborted when the proofs are closed. */
  ask(candidate: ProofCandidate, signal: AbortSignal): Promise<PublicAnswer>;
  /** A registry is asked about one manifest at most once in this time, milliseconds. */
  readonly everyMs: number;
  readonly now?: () => number;
}

/** One question at a time for a registry, so that one which is slow to answer holds up its own proofs only. */
const MAX_RUNNING = 4;
const MAX_WAITING = 1000;
const MAX_WAITING_OF_ONE = 250;
const MAX_ASKED = 10_000;
/** A registry that could not answer is asked again after this. */
const RETRY_MS = 30_000;

/** Finds out, off every client's path, what is public: the proxy asks without credentials, as a stranger would. */
export interface PublicProofs {
  offer(candidate: ProofCandidate): void;
  /** Resolves when nothing is being asked or waits to be. */
  idle(): Promise<void>;
  /** Gives up what is being asked. */
  close(): Promise<void>;
}

export function createPublicProofs(options: PublicProofsOptions): PublicProofs {
  const { access, everyMs, now = () => performance.now() } = options;
  const waiting: ProofCandidate[] = [];
  const askedUntil = new Map<string, number>();
  /** By registry. */
  const running = new Map<string, Promise<void>>();
  const closing = new AbortController();

  async function prove(candidate: ProofCandidate): Promise<void> {
    const { scope, digest } = candidate;
    // An index that was proven meanwhile covers its children.
    if (await access.isPublic(scope, digest)) {
      askedUntil.delete(keyOf(candidate));
      return;
    }
    const startedAt = Date.now();
    const answer = await options.ask(candidate, closing.signal);
    if (answer === 'public') await access.provePublic(scope, digest, startedAt);
    if (answer === 'private') await access.dropPublic(scope, digest);
    if (answer === 'unknown') askedUntil.set(keyOf(candidate), now() + Math.min(RETRY_MS, everyMs));
  }

  function next(): void {
    while (running.size < MAX_RUNNING && !closing.signal.aborted) {
      const at = waiting.findIndex((candidate) => !running.has(registryOf(candidate)));
      const [candidate] = at < 0 ? [] : waiting.splice(at, 1);
      if (!candidate) return;
      const registry = registryOf(candidate);
      const proof = prove(candidate)
        .catch(() => {})
        .finally(() => {
          running.delete(registry);
          next();
        });
      running.set(registry, proof);
    }
  }

  function hasRoom(candidate: ProofCandidate): boolean {
    if (waiting.length >= MAX_WAITING) return false;
    const registry = registryOf(candidate);
    return waiting.filter((one) => registryOf(one) === registry).length < MAX_WAITING_OF_ONE;
  }

  function isDue(candidate: ProofCandidate): boolean {
    const until = askedUntil.get(keyOf(candidate));
    if (until !== undefined && until > now()) return false;
    putNewest(askedUntil, keyOf(candidate), now() + everyMs, MAX_ASKED);
    return true;
  }

  return {
    offer(candidate) {
      if (closing.signal.aborted || !hasRoom(candidate) || !isDue(candidate)) return;
      waiting.push(candidate);
      next();
    },
    async idle() {
      while (running.size > 0) await Promise.all(running.values());
    },
    async close() {
      closing.abort();
      waiting.length = 0;
      await Promise.all(running.values());
    },
  };
}

function registryOf({ target }: ProofCandidate): string {
  return `${target.host}:${target.port}`;
}

function keyOf({ scope, digest }: ProofCandidate): string {
  return `${scope} ${digest}`;
}
