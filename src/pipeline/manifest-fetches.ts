import type { RawHeaders } from '../http/exchange.js';

/** A manifest that came whole and has the digest that was asked for. */
export interface FetchedManifest {
  readonly headers: RawHeaders;
  readonly body: Buffer;
  /** Why it is not kept: its bytes leave in doubt what it is, or the store could not take it. */
  readonly notStored: 'not-readable' | 'not-stored' | undefined;
}

/** Fetches of manifests by digest that are on their way; one per repository and digest, as for blobs. */
export interface ManifestFetches {
  /**
   * Fetches, or waits for the fetch that runs already: `leader` is true for the one who fetched. Undefined where the
   * leader got something that is not for sharing (a refusal, other bytes): a follower then asks for itself.
   */
  join(
    key: string,
    fetch: () => Promise<FetchedManifest | undefined>,
  ): Promise<{ leader: boolean; fetched: FetchedManifest | undefined }>;
}

export function createManifestFetches(): ManifestFetches {
  const running = new Map<string, Promise<FetchedManifest | undefined>>();
  return {
    async join(key, fetch) {
      const known = running.get(key);
      if (known) return { leader: false, fetched: await known.catch(() => undefined) };
      const fetching = fetch().finally(() => running.delete(key));
      running.set(key, fetching);
      return { leader: true, fetched: await fetching };
    },
  };
}
