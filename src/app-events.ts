import type { StoreEvents } from './cache/contract.js';
import type { Cache } from './cache/open-cache.js';
import type { ProxyError } from './errors.js';
import type { ProxyEvents } from './proxy/contract.js';
import type { Logger } from './telemetry/log.js';
import type { Metrics } from './telemetry/metrics.js';
import type { AuthorityEvents } from './tls/watched-authority.js';

/** Tells of a fault of the store once, although the store and the download that it happened to both report it. */
export function createFaultTeller(logger: Logger, metrics: Metrics): (fault: ProxyError) => void {
  const told = new WeakSet<ProxyError>();
  return (fault) => {
    if (told.has(fault)) return;
    told.add(fault);
    metrics.fault(fault.code);
    const fields = { code: fault.code, source: fault.source, error: fault.message };
    logger.warn(fields, 'The store has a fault; pulls go on without it');
  };
}

/** What the store tells of, as log lines and counters. */
export function storeEvents(logger: Logger, metrics: Metrics, tell: (fault: ProxyError) => void): StoreEvents {
  return {
    fault: tell,
    quarantined(digest, reason) {
      metrics.fault('content-damaged');
      logger.warn({ digest, reason }, 'Stored content was damaged; it is fetched again when it is asked for');
    },
    rebuilding: (share) =>
      logger.info({ count: Math.floor(share * 100) }, 'The index is being rebuilt; so many percent are done'),
    evicted({ reason, entries, bytes, ms }) {
      metrics.eviction(entries, bytes);
      logger.info({ reason, count: entries, bytes, ms }, 'Evicted what the store needs least');
    },
    rebuilt: (entries) => logger.info({ count: entries }, 'The index was rebuilt'),
  };
}

/** What goes on in the store by itself, as metrics. */
export function watchUpkeep(metrics: Metrics, cache: Cache): void {
  // Measured now and then by itself; the first scrape should not find nothing.
  void cache.measure();
  metrics.watch('storeBudgetBytes', () => cache.space?.budgetBytes ?? 0);
  metrics.watch('storeUsedBytes', () => cache.space?.usedBytes ?? 0);
  metrics.watch('keptBytes', () => cache.kept.bytes);
  metrics.watch('storeFaulty', () => (cache.store.fault === undefined ? 0 : 1));
  metrics.watch('rebuildShare', () => cache.rebuildShare ?? 1);
  metrics.watch('scrubShare', () => cache.scrub?.share ?? 0);
  metrics.watch('scrubbed', () => cache.scrub?.checked ?? 0);
  metrics.watch('scrubbedBytes', () => cache.scrub?.checkedBytes ?? 0);
  metrics.watch('scrubbedBad', () => cache.scrub?.bad ?? 0);
}

/** What happens at the door, as log lines and counters. */
export function proxyEvents(logger: Logger, metrics: Metrics): ProxyEvents {
  return {
    onTunnelClose: (host, port, { sent, received }, { client, user }) =>
      logger.info({ client, user, host, port, verdict: 'tunnel', bytes: sent + received }, 'Tunnel closed'),
    onUpgradeEnd: (host, port, status, { sent, received }, { client, user }) =>
      logger.info(
        { client, user, host, port, verdict: 'upgrade', status, bytes: sent + received },
        status === 101 ? 'Upgraded connection closed' : 'Upgrade refused by its server',
      ),
    onRefused(code, message, client) {
      metrics.fault(code);
      logger.warn({ code, client, error: message }, 'Refused at the door');
    },
    onClientTlsError(host, fault, client) {
      metrics.fault('client-tls');
      const advice =
        fault === 'untrusted-ca' ? ': the client does not trust our CA; install ca.crt there and restart it' : '';
      logger.warn({ host, client, reason: fault }, `TLS with a client failed${advice}`);
    },
    onHandlerFault(error, id) {
      metrics.fault('internal');
      logger.error(
        { id, error: error instanceof Error ? error.message : String(error) },
        'An exchange failed in an unforeseen way',
      );
    },
    onFirstIntercept: (host, port, why) =>
      logger.info({ host, port, verdict: 'intercept', reason: why }, 'Host opened for the first time'),
  };
}

/** What happens to the CA, as log lines. */
export function authorityEvents(logger: Logger): AuthorityEvents {
  return {
    onChange({ current, next }) {
      const fields = { file: current.certificatePath, fingerprint: current.fingerprintSha256 };
      logger.info(fields, 'The CA folder has changed');
      if (next !== undefined) {
        const fingerprint = next.authority.fingerprintSha256;
        logger.warn({ fingerprint }, `A new CA will sign from ${new Date(next.switchAt).toISOString()} on`);
      }
    },
    onSwitch: ({ fingerprintSha256 }) =>
      logger.warn({ fingerprint: fingerprintSha256 }, 'The new CA signs from now on'),
    onFault: (reason) =>
      logger.error({ error: reason }, 'The CA folder cannot be used; the CA that was read before is'),
    onExpiring: (warning) => logger.warn({ reason: warning }, 'The CA is coming to its end'),
  };
}
