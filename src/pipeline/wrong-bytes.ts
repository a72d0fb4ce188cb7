import { ProxyError } from '../errors.js';
import { putNewest } from '../net/put-newest.js';

/** The pause after the second time in a row; it doubles with each further one. The first is followed by none. */
const FIRST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 60_000;
/** What went wrong longer ago counts no more. */
const FORGET_MS = 600_000;
const MAX_HELD = 10_000;

/** Content as somebody asks for it. */
export interface WantedContent {
  /** Registry and repository. */
  readonly scope: string;
  readonly digest: string;
  /** The id of the credential. */
  readonly credential: string;
  /** The client's address. */
  readonly client: string;
}

/** Content is not asked for: the registry has sent other bytes too often. */
export class WrongBytesPause extends ProxyError {
  readonly retryAfterMs: number;

  constructor(digest: string, times: number, retryAfterMs: number) {
    const seconds = Math.ceil(retryAfterMs / 1000);
    const message = `the registry has sent other bytes than those of ${digest}, ${times} times in a row; it is asked again in ${seconds} s`;
    super('digest-mismatch', message);
    this.retryAfterMs = retryAfterMs;
  }
}

/**
 * What came with bytes of another digest, so that a broken registry or CDN is not asked again and again for what nobody
 * can use (threats H10). A pause is for the credential that got the bytes; where two clients got such bytes, it is for
 * everybody who asks that repository for that digest. So nobody holds up others with a credential that the registry
 * answers with a page of its own.
 */
export interface WrongBytes {
  /** @throws WrongBytesPause while the registry is not to be asked */
  check(wanted: WantedContent): void;
  /** Other bytes came. `fault` tells one such download from another, however many waited for it. */
  failed(wanted: WantedContent, fault: object): void;
  /** The right bytes came. */
  worked(wanted: WantedContent): void;
}

interface Failures {
  readonly times: number;
  readonly at: number;
  readonly fault: object;
  readonly client: string;
}

/** @param now monotonic milliseconds */
export function createWrongBytes(now: () => number = () => performance.now()): WrongBytes {
  const failures = new Map<string, Failures>();

  function known(key: string): Failures | undefined {
    const found = failures.get(key);
    return found !== undefined && now() - found.at <= FORGET_MS ? found : undefined;
  }

  function note(key: string, { client }: WantedContent, fault: object): void {
    const times = (known(key)?.times ?? 0) + 1;
    putNewest(failures, key, { times, at: now(), fault, client }, MAX_HELD);
  }

  return {
    check(wanted) {
      for (const key of keysOf(wanted)) {
        const found = known(key);
        if (found === undefined) continue;
        const leftMs = found.at + pauseMs(found.times) - now();
        if (leftMs > 0) throw new WrongBytesPause(wanted.digest, found.times, leftMs);
      }
    },
    failed(wanted, fault) {
      const [own, everybody] = keysOf(wanted);
      if (known(own)?.fault !== fault) note(own, wanted, fault);
      const before = known(everybody);
      if (before?.fault !== fault && before?.client !== wanted.client) note(everybody, wanted, fault);
    },
    worked(wanted) {
      for (const key of keysOf(wanted)) failures.delete(key);
    },
  };
}

/** Scopes and digests hold no two spaces in a row. */
function keysOf({ scope, digest, credential }: WantedContent): [own: string, everybody: string] {
  const everybody = `${scope} ${digest}`;
  return [`${everybody} ${credential}`, everybody];
}

function pauseMs(times: number): number {
  return times < 2 ? 0 : Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (times - 2));
}
