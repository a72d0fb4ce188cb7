import { createSecureContext, type SecureContext } from 'node:tls';
import { ProxyError } from '../errors.js';
import type { Authority } from './authority.js';

/** Secure contexts by host, each with a leaf of its own, issued when first asked for. */
export interface LeafStore {
  /**
   * The context for a canonical host, from memory or with a new leaf (about a millisecond). Make the TLS socket from it
   * before anything is awaited: a context that the store has dropped since can't be used for a new one. Throws what
   * `Authority.issueLeaf` throws.
   */
  contextFor(host: string): SecureContext;
  /** Whether the context of this host is in memory, so that asking for it costs nothing. */
  holds(host: string): boolean;
  /** How many contexts are in memory. */
  readonly size: number;
  /** How many leaves were issued since the start. */
  readonly issued: number;
}

export interface LeafStoreOptions {
  /** A context takes about 25 KiB. */
  readonly maxContexts?: number;
  /** ms epoch */
  readonly now?: () => number;
}

interface Held {
  readonly context: SecureContext;
  readonly issuer: string;
  readonly notBefore: number;
  readonly renewAt: number;
}

export function createLeafStore(
  authority: Pick<Authority, 'issueLeaf' | 'signerAt'>,
  options: LeafStoreOptions = {},
): LeafStore {
  const { maxContexts = 1000, now = Date.now } = options;
  // A Map keeps the order of insertion: what was used last is put in again, so the first key is the one to drop.
  const held = new Map<string, Held>();
  let issued = 0;

  function issue(host: string, at: number): Held {
    const leaf = authority.issueLeaf(host, at);
    issued += 1;
    const context = createSecureContext({
      cert: leaf.certificatesPem,
      key: leaf.keyPem,
      minVersion: 'TLSv1.2',
      // Clients are not asked for certificates, so the context needs no roots of its own.
      ca: [],
    });
    return { context, issuer: leaf.issuer, notBefore: leaf.notBefore, renewAt: leaf.renewAt };
  }

  function contextFor(host: string): SecureContext {
    const at = now();
    const known = held.get(host);
    const next = current(host, at) ?? issue(host, at);
    held.delete(host);
    held.set(host, next);
    if (known !== undefined && known !== next) release(known.context);
    if (held.size > maxContexts) dropOldest();
    return next.context;
  }

  /** What is held for the host and still good. Before notBefore: the clock was set back by days since the leaf was issued. */
  function current(host: string, at: number): Held | undefined {
    const known = held.get(host);
    if (known === undefined || at < known.notBefore || at >= known.renewAt) return undefined;
    // Another issuer: the authority has been rotated or renewed.
    return known.issuer === authority.signerAt(at) ? known : undefined;
  }

  function dropOldest(): void {
    for (const [host, { context }] of held) {
      held.delete(host);
      release(context);
      return;
    }
  }

  return {
    contextFor,
    holds: (host) => current(host, now()) !== undefined,
    get size() {
      return held.size;
    },
    get issued() {
      return issued;
    },
  };
}

/**
 * Frees a context's memory now. The collector sees 1 KiB of the 25 that one takes, and let 30,000 hosts grow the process by
 * 450 MiB. Connections made from the context keep their own hold on it. Node closes its single-use contexts this way too.
 */
function release(secureContext: SecureContext): void {
  const native = secureContext.context as { close(): void };
  native.close();
  // Node ends the whole process when a socket is made from a closed context; an exception ends one connection.
  Object.defineProperty(secureContext, 'context', {
    get() {
      throw new ProxyError('internal', 'a secure context was used after the leaf store had dropped it');
    },
  });
}
