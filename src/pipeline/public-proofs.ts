import type { Access } from '../access/access.js';
import type { Target } from '../http/exchange.js';
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
  ask(candidate: ProofCandidate): Promise<PublicAnswer>;
  /** A registry is asked about one manifest at most once in this time, milliseconds. */
  readonly everyMs: number;
  readonly now?: () => number;
}

/** Proofs never take more of an upstream's attention than this. */
const MAX_RUNNING = 2;
const MAX_WAITING = 1000;
const MAX_ASKED = 10_000;
/** A registry that could not answer is asked again after this. */
const RETRY_MS = 30_000;

/** Finds out, off every client's path, what is public: the proxy asks without credentials, as a stranger would. */
export interface PublicProofs {
  offer(candidate: ProofCandidate): void;
  /** Resolves when nothing is being asked or waits to be. */
  idle(): Promise<void>;
  close(): Promise<void>;
}

export function createPublicProofs(options: PublicProofsOptions): PublicProofs {
  const { access, everyMs, now = () => performance.now() } = options;
  const waiting: ProofCandidate[] = [];
  const askedUntil = new Map<string, number>();
  const running = new Set<Promise<void>>();
  let closed = false;

  async function prove(candidate: ProofCandidate): Promise<void> {
    const { scope, digest } = candidate;
    // An index that was proven meanwhile covers its children.
    if (await access.isPublic(scope, digest)) {
      askedUntil.delete(keyOf(candidate));
      return;
    }
    const startedAt = Date.now();
    const answer = await options.ask(candidate);
    if (answer === 'public') await access.provePublic(scope, digest, startedAt);
    if (answer === 'private') await access.dropPublic(scope, digest);
    if (answer === 'unknown') askedUntil.set(keyOf(candidate), now() + Math.min(RETRY_MS, everyMs));
  }

  function next(): void {
    while (running.size < MAX_RUNNING) {
      const candidate = waiting.shift();
      if (!candidate || closed) return;
      const proof = prove(candidate)
        .catch(() => {})
        .finally(() => {
          running.delete(proof);
          next();
        });
      running.add(proof);
    }
  }

  function isDue(candidate: ProofCandidate): boolean {
    const until = askedUntil.get(keyOf(candidate));
    if (until !== undefined && until > now()) return false;
    askedUntil.delete(keyOf(candidate));
    askedUntil.set(keyOf(candidate), now() + everyMs);
    const oldest = askedUntil.keys().next();
    if (askedUntil.size > MAX_ASKED && !oldest.done) askedUntil.delete(oldest.value);
    return true;
  }

  return {
    offer(candidate) {
      if (closed || waiting.length >= MAX_WAITING || !isDue(candidate)) return;
      waiting.push(candidate);
      next();
    },
    async idle() {
      while (running.size > 0) await Promise.all(running);
    },
    async close() {
      closed = true;
      waiting.length = 0;
      await Promise.all(running);
    },
  };
}

function keyOf({ scope, digest }: ProofCandidate): string {
  return `${scope} ${digest}`;
}
