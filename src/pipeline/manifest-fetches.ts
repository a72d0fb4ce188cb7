import { ProxyError } from '../errors.js';
import type { RawHeaders } from '../http/exchange.js';
import { createQuota, type QuotaLimits } from '../net/quota.js';

/** A manifest that came whole and has the digest that was asked for. */
export interface FetchedManifest {
  readonly headers: RawHeaders;
  readonly body: Buffer;
  /** Why it is not kept: its bytes leave in doubt what it is, or the store could not take it. */
  readonly notStored: 'not-readable' | 'not-stored' | undefined;
}

/** Somebody who waits for a manifest. */
export interface Waiting {
  /** The client's socket address, without port. */
  readonly client: string;
  /** Aborted when the client goes away. */
  readonly signal: AbortSignal;
}

/** Fetches of manifests that are on their way; those by digest are one per repository and digest, as for blobs. */
export interface ManifestFetches {
  /**
   * Fetches, or waits for the fetch of this key that runs already: `leader` is true for the one who fetched. Undefined
   * where the leader got something that is not for sharing (a refusal, other bytes): a follower then asks for itself.
   * A fetch without a key is shared with nobody. The signal that `fetch` is given is aborted when nobody waits any more.
   * @throws ProxyError `overloaded` where a new fetch would be one too many
   */
  join(
    key: string | undefined,
    waiting: Waiting,
    fetch: (signal: AbortSignal) => Promise<FetchedManifest | undefined>,
  ): Promise<{ leader: boolean; fetched: FetchedManifest | undefined }>;
}

interface Running {
  readonly result: Promise<FetchedManifest | undefined>;
  /** Counts somebody who waits, until the fetch is over or they leave. */
  joinedBy(signal: AbortSignal): void;
}

/** `places` bounds how many fetches run at once: started by one client, and in all. */
export function createManifestFetches(places: QuotaLimits): ManifestFetches {
  const quota = createQuota(places);
  const shared = new Map<string, Running>();

  function start(
    key: string | undefined,
    client: string,
    fetch: (signal: AbortSignal) => Promise<FetchedManifest | undefined>,
  ): Running {
    const over = quota.take(client);
    if (over === undefined) {
      throw new ProxyError('overloaded', 'Too many manifests are being fetched; try again in a moment.');
    }
    const abandoned = new AbortController();
    const left: (() => void)[] = [];
    let waiting = 0;
    const leaveTable = (): void => {
      if (key !== undefined && shared.get(key) === running) shared.delete(key);
    };
    const running: Running = {
      result: fetch(abandoned.signal).finally(() => {
        over();
        leaveTable();
        for (const stop of left) stop();
      }),
      joinedBy(signal) {
        waiting += 1;
        const leave = (): void => {
          waiting -= 1;
          if (waiting > 0) return;
          // Whoever comes now needs a fetch that goes on.
          leaveTable();
          abandoned.abort(new ProxyError('client-gone', 'nobody waits for the manifest any more'));
        };
        if (signal.aborted) return leave();
        signal.addEventListener('abort', leave, { once: true });
        left.push(() => signal.removeEventListener('abort', leave));
      },
    };
    if (key !== undefined) shared.set(key, running);
    return running;
  }

  return {
    async join(key, { client, signal }, fetch) {
      const known = key === undefined ? undefined : shared.get(key);
      const running = known ?? start(key, client, fetch);
      running.joinedBy(signal);
      if (known) return { leader: false, fetched: await running.result.catch(() => undefined) };
      return { leader: true, fetched: await running.result };
    },
  };
}
