import { ProxyError } from '../errors.js';
import { canonicalRegistry } from '../registries/aliases.js';
import type { UpstreamClient } from './contract.js';
import type { Manner, RegistryHealth } from './registry-health.js';

/** What `--offline` says in place of an upstream. */
export function offlineFault(host: string): ProxyError {
  return new ProxyError(
    'offline',
    `${host} is not asked: the proxy is offline (--offline), and this is not in its store`,
  );
}

/** A client that sends nothing. */
export function createOfflineClient(): UpstreamClient {
  return {
    async send(request) {
      throw offlineFault(request.target.host);
    },
    async close() {},
  };
}

/** All registries are away, and nobody asks whether they still are. */
export function createOfflineHealth(manner: (registry: string) => Promise<Manner | undefined>): RegistryHealth {
  return {
    isAway: () => true,
    patienceMs: () => 0,
    answers: async () => false,
    tokenServerAnswers: async () => true,
    manner: async ({ host, port, scheme }) => (await manner(canonicalRegistry(host, port, scheme))) ?? {},
    answered() {},
    failed() {},
    unreachable() {},
    away: [],
    close() {},
  };
}
