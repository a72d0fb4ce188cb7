import type { Target } from '../http/exchange.js';
import { type RegistrySettings, settingsFinder } from '../registries/settings.js';
import { type Bandwidth, createBandwidth } from './bandwidth.js';

export interface UplinkOptions {
  /** Connections to each upstream host. */
  readonly connections: number;
  /** For all blobs together; 0 for any. */
  readonly bytesPerSecond: number;
  readonly registries?: readonly Pick<RegistrySettings, 'pattern' | 'maxConnections' | 'maxBytesPerSecond'>[];
}

/** How many connections a host gets: those for bodies of blobs and those for all else, so that neither waits for the other. */
export interface ConnectionShares {
  readonly bulk: number;
  readonly small: number;
}

/** How much of the uplink upstreams get. */
export interface UplinkLimits {
  connectionsTo(host: string, port: number): ConnectionShares;
  /** What a download on behalf of this registry spends of, wherever its bytes come from. */
  sharesOf(registry: Pick<Target, 'host' | 'port'>): readonly Bandwidth[];
}

export function createUplinkLimits({ connections, bytesPerSecond, registries = [] }: UplinkOptions): UplinkLimits {
  const everything = bytesPerSecond > 0 ? [createBandwidth(bytesPerSecond)] : [];
  const find = settingsFinder(
    registries.map((one) => ({
      pattern: one.pattern,
      shares: split(one.maxConnections ?? connections),
      bandwidth: one.maxBytesPerSecond ? [createBandwidth(one.maxBytesPerSecond)] : [],
    })),
  );
  const usual = split(connections);
  return {
    connectionsTo: (host, port) => find(host, port)?.shares ?? usual,
    sharesOf: ({ host, port }) => [...everything, ...(find(host, port)?.bandwidth ?? [])],
  };
}

/** A quarter is for what is small, one at least. */
function split(connections: number): ConnectionShares {
  const small = Math.max(1, Math.floor(connections / 4));
  return { small, bulk: Math.max(1, connections - small) };
}
