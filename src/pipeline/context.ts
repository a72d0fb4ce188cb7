import type { Access } from '../access/access.js';
import type { CredentialReader } from '../access/credential.js';
import type { CacheStore, FactStore } from '../cache/contract.js';
import type { Flights } from '../cache/flight.js';
import type { Target } from '../http/exchange.js';
import type { Logger } from '../telemetry/log.js';
import type { Metrics } from '../telemetry/metrics.js';
import type { AnonymousAsker } from '../upstream/anonymous.js';
import type { UpstreamClient } from '../upstream/contract.js';
import type { RateLimits } from '../upstream/rate-limits.js';
import type { RegistryHealth } from '../upstream/registry-health.js';
import type { Heads } from './heads.js';
import type { ManifestFetches } from './manifest-fetches.js';
import type { OfflineTokens } from './offline-token.js';
import type { PublicProofs } from './public-proofs.js';
import type { StoredManifests } from './stored-manifests.js';
import type { TagTimes } from './tag-times.js';
import type { WrongBytes } from './wrong-bytes.js';

/** What the pipeline works with. `app.ts` puts it together; nothing in here is a singleton. */
export interface PipelineContext {
  readonly access: Access;
  readonly credentials: CredentialReader;
  readonly store: CacheStore;
  readonly facts: FactStore;
  readonly flights: Flights;
  /** For everything but the bodies of blobs. */
  readonly upstream: UpstreamClient;
  /** For the bodies of blobs: GETs only, and little CPU for each byte. */
  readonly blobs: UpstreamClient;
  readonly heads: Heads;
  readonly manifestFetches: ManifestFetches;
  readonly storedManifests: StoredManifests;
  readonly wrongBytes: WrongBytes;
  readonly publicProofs: PublicProofs;
  /** Asks in nobody's name. */
  readonly stranger: Pick<AnonymousAsker, 'head'>;
  readonly health: RegistryHealth;
  readonly limits: RateLimits;
  readonly offlineTokens: OfflineTokens;
  /** What happens while a registry cannot be asked: what may be given is, or the client gets the error. */
  readonly outage: 'serve' | 'fail';
  /** When tags were last looked up, for `--tag-ttl`; undefined where each request looks them up. */
  readonly tagTimes: TagTimes | undefined;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** This installation's random id, for Via. */
  readonly viaId: string;
  /** Called when a host has delivered verified content: from now on it is known to be a registry. */
  onDelivered(target: Target): void;
}
