import { X509Certificate } from 'node:crypto';
import { authorityEvents } from './app-events.js';
import type { Config } from './config/config.js';
import { ProxyError } from './errors.js';
import type { OriginAnswer } from './proxy/contract.js';
import type { Logger } from './telemetry/log.js';
import { expiryOf } from './tls/expiry.js';
import { createLeafStore, type LeafStore } from './tls/leaf-store.js';
import { FINGERPRINT_HEADER, type Offer, offerOf } from './tls/offer.js';
import { isConstrainedTo } from './tls/rotation.js';
import { type WatchedAuthority, watchAuthority } from './tls/watched-authority.js';

/** The CA as the rest of the proxy needs it. */
export interface AppAuthority {
  /** Undefined where nothing is ever opened (`--intercept none`): no key is made, read or needed. */
  readonly watched: WatchedAuthority | undefined;
  readonly leaves: LeafStore;
  /** The public keys that upstream certificates must not be signed with. */
  ownKeys(): readonly Buffer[];
  permits(host: string): boolean;
  /** @throws an error with the status 404 where there is no CA */
  offer(): Offer;
  /** What the proxy port says of it. */
  origin(path: string): OriginAnswer | undefined;
  /** How long clients can go on trusting it, in seconds; 0 where there is none. */
  expiresSeconds(): number;
  close(): void;
}

/** Loads the CA, or makes one, where some host may be opened. Rejects as `watchAuthority` does. */
export async function openAuthority(config: Config, logger: Logger): Promise<AppAuthority> {
  if (config.intercept.length === 1 && config.intercept[0] === 'none') return NO_AUTHORITY;
  const watched = await watchAuthority(config.caDir, {
    permittedNames: config.caNameConstraints,
    events: authorityEvents(logger),
  });
  if (config.caNameConstraints.length > 0 && !isConstrainedTo(watched.authorities, config.caNameConstraints)) {
    logger.warn(
      { file: watched.authorities.current.certificatePath },
      'The CA is not constrained as --ca-name-constraints says; "entrepot ca rotate" makes one that is ("ca renew" below an offline root)',
    );
  }
  return {
    watched,
    leaves: createLeafStore(watched),
    ownKeys: ownKeysOf(watched),
    permits: (host) => watched.permits(host),
    offer: () => offerOf(watched.authorities, Date.now()),
    origin: (path) => originAnswer(path, watched),
    expiresSeconds: () => {
      const now = Date.now();
      return (expiryOf(watched.authorities, now).notAfter - now) / 1000;
    },
    close: () => watched.close(),
  };
}

const NO_AUTHORITY: AppAuthority = {
  watched: undefined,
  leaves: {
    contextFor: () => {
      throw new ProxyError('internal', 'no host is opened here');
    },
    holds: () => true,
    size: 0,
    issued: 0,
  },
  ownKeys: () => [],
  permits: () => true,
  offer: () => {
    throw Object.assign(new Error('there is no CA: nothing is opened here'), { statusCode: 404 });
  },
  origin: () => undefined,
  expiresSeconds: () => 0,
  close: () => undefined,
};

/** As they are when asked. They are asked for at every certificate of every upstream and of the operating system. */
function ownKeysOf(authority: WatchedAuthority): () => readonly Buffer[] {
  let known: { readonly of: WatchedAuthority['authorities']; readonly keys: readonly Buffer[] } | undefined;
  return () => {
    const { authorities } = authority;
    if (known?.of === authorities) return known.keys;
    const { current, next } = authorities;
    const certificates = [...current.certificatesDer, ...(next?.authority.certificatesDer ?? [])];
    const keys = certificates.map((der) => new X509Certificate(der).publicKey.export({ type: 'spki', format: 'der' }));
    known = { of: authorities, keys };
    return keys;
  };
}

function originAnswer(path: string, { authorities }: WatchedAuthority): OriginAnswer | undefined {
  if (path !== '/ca.crt') return undefined;
  const { pem, fingerprints } = offerOf(authorities, Date.now());
  return {
    status: 200,
    headers: ['Content-Type', 'application/x-pem-file', FINGERPRINT_HEADER, fingerprints],
    body: pem,
  };
}
