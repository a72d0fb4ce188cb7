import type { Authority, AuthorityOptions } from './authority.js';
import { type AuthorityFiles, readAuthorityFiles } from './authority-files.js';
import { DAY_MS } from './certificate.js';
import { expiryOf } from './expiry.js';
import { type Authorities, assembleAuthorities, openAuthorities, signerAt } from './rotation.js';

/** The authority of a folder as it is at any moment: it follows what happens in the folder, and the clock. */
export interface WatchedAuthority extends Pick<Authority, 'issueLeaf' | 'signerAt' | 'permits'> {
  /** What the folder held when it was last read and could be used. */
  readonly authorities: Authorities;
  /** Reads the folder now. Never rejects: what can't be used is told to `onFault`. */
  refresh(): Promise<void>;
  /** Reads the folder no more. */
  close(): void;
}

export interface AuthorityEvents {
  /** The folder holds something else than before: a rotation began or ended, or the certificate was replaced. */
  readonly onChange?: (authorities: Authorities) => void;
  /** From now on the coming authority signs. */
  readonly onSwitch?: (authority: Authority) => void;
  /** The folder can't be used; the authority that was read before stays in use. Told once per reason. */
  readonly onFault?: (reason: string) => void;
  /** The certificate that signs is about to expire, in one sentence: when it is first noticed, then daily. */
  readonly onExpiring?: (warning: string) => void;
}

export interface WatchOptions extends AuthorityOptions {
  readonly events?: AuthorityEvents;
  readonly everyMs?: number;
}

const EVERY_MS = 60_000;

/**
 * Opens the authority of a folder, as `openAuthority` does, and reads the folder again every minute. The timer does not
 * keep the process alive. Throws ConfigError with a sentence for each problem.
 */
export async function watchAuthority(directory: string, options: WatchOptions = {}): Promise<WatchedAuthority> {
  const { events = {}, everyMs = EVERY_MS, now = Date.now } = options;
  const { created } = (await openAuthorities(directory, options)).current;
  // From the very files that later ones are compared with: another process may change them at any moment.
  const opened = await readAuthorityFiles(directory);
  let authorities = assembleAuthorities(directory, opened, { now: now(), created });
  let lastRead = fingerprintOf(opened);
  let signer = signerAt(authorities, now()).certificatePem;
  let lastFault: string | undefined;
  let warnedAt = Number.NEGATIVE_INFINITY;
  let reading: Promise<void> | undefined;

  async function read(): Promise<void> {
    try {
      const files = await readAuthorityFiles(directory);
      const text = fingerprintOf(files);
      if (text !== lastRead || lastFault !== undefined) {
        const found = assembleAuthorities(directory, files, { now: now() });
        const isNew = text !== lastRead;
        [lastRead, lastFault] = [text, undefined];
        if (isNew) adopt(found);
      }
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (reason !== lastFault) events.onFault?.(reason);
      lastFault = reason;
    }
    watchClock();
  }

  function adopt(found: Authorities): void {
    authorities = found;
    signer = signerAt(found, now()).certificatePem;
    warnedAt = Number.NEGATIVE_INFINITY;
    events.onChange?.(found);
  }

  function watchClock(): void {
    const at = now();
    const signing = signerAt(authorities, at);
    if (signing.certificatePem !== signer) {
      signer = signing.certificatePem;
      events.onSwitch?.(signing);
    }
    const { warning } = expiryOf(authorities, at);
    if (warning !== undefined && at - warnedAt >= DAY_MS) {
      warnedAt = at;
      events.onExpiring?.(warning);
    }
  }

  function refresh(): Promise<void> {
    reading ??= read().finally(() => {
      reading = undefined;
    });
    return reading;
  }

  watchClock();
  const timer = setInterval(() => void refresh(), everyMs);
  timer.unref();
  return {
    get authorities() {
      return authorities;
    },
    issueLeaf: (host, at) => signerAt(authorities, at).issueLeaf(host, at),
    signerAt: (at) => signerAt(authorities, at).signerAt(at),
    permits: (host) => signerAt(authorities, now()).permits(host),
    refresh,
    close: () => clearInterval(timer),
  };
}

/** What tells one content of the folder from another. */
function fingerprintOf(files: AuthorityFiles): string {
  return JSON.stringify(files);
}
