import type { RegistrySettings } from '../registries/settings.js';
import type { ParentProxies } from './parent-proxies.js';
import type { ListenAddress, SizeLimit } from './units.js';

/** Everything that the proxy can be told, read and checked. A value: nothing changes it after the start. */
export interface Config {
  readonly listen: ListenAddress;
  /** Undefined where the admin port is off. */
  readonly adminListen: ListenAddress | undefined;
  /** Absolute path. */
  readonly dataDir: string;
  /** Absolute path. */
  readonly caDir: string;
  /** Names and CIDR ranges in their one spelling; empty for no constraints. */
  readonly caNameConstraints: readonly string[];
  /** `auto`, `all` or `none`, and host patterns; `all` and `none` stand alone. */
  readonly intercept: readonly string[];
  readonly tunnel: readonly string[];
  readonly deny: readonly string[];
  readonly connectPorts: readonly number[];
  /** CIDR ranges, as are those of egress. */
  readonly allowClients: readonly string[];
  /** True where nobody has said who may use the proxy, so that `allowClients` is what it is by default. */
  readonly allowClientsByDefault?: boolean | undefined;
  /** Absolute path of an htpasswd file; undefined where no password is asked for. */
  readonly proxyAuth: string | undefined;
  readonly maxClientConnections: number;
  readonly maxConnections: number;
  /** Host patterns. */
  readonly adminHosts: readonly string[];
  /** ENTREPOT_ADMIN_TOKEN; undefined where the token is that of the data folder. A secret, and therefore no option. */
  readonly adminToken?: string | undefined;
  readonly egressAllow: readonly string[];
  readonly egressDeny: readonly string[];
  /** Absolute paths of PEM files. */
  readonly upstreamCa: readonly string[];
  /** Ways in order: parent proxies, `env`, `direct`. */
  readonly upstreamProxy: readonly string[];
  /** Absolute path; undefined where no parent wants a password. */
  readonly upstreamProxyAuth: string | undefined;
  readonly upstreamNoProxy: readonly string[];
  /** What the three above, and the environment where it is asked, come to. */
  readonly parentProxies?: ParentProxies;
  /** `host=address` and `host:port=address`. */
  readonly resolve: readonly string[];
  /** To each host. */
  readonly upstreamConnections: number;
  /** For all downloads of blobs together; 0 for any. */
  readonly upstreamBytesPerSecond: number;
  readonly upstreamTimeouts: {
    readonly connectMs: number;
    readonly tlsMs: number;
    /** From the request to the head of its answer. */
    readonly headMs: number;
    /** Between two pieces of a body. */
    readonly idleMs: number;
    /** 0 for any. */
    readonly minBytesPerSecond: number;
  };
  /** From the file alone: there is no flag for a table. */
  readonly registries?: readonly RegistrySettings[];
  readonly access: 'check' | 'open';
  readonly outage: 'serve' | 'fail';
  readonly offline: boolean;
  /** 0 where each request looks its tag up. */
  readonly tagTtlMs: number;
  readonly grantTtlMs: number;
  readonly publicTtlMs: number;
  readonly linkMaxAgeMs: number;
  readonly maxSize: SizeLimit;
  readonly minFree: SizeLimit;
  /** Undefined where nothing is evicted for its age. */
  readonly maxAgeMs: number | undefined;
  /** Patterns of images that are never evicted. */
  readonly pins: readonly string[];
  /** Undefined where stored content is not hashed again by itself. */
  readonly scrubRoundMs: number | undefined;
  readonly drainMs: number;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  readonly logFormat: 'json' | 'pretty';
}
