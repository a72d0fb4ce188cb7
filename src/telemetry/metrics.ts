import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { FAULT_CODES, type FaultCode, ProxyError } from '../errors.js';
import { boundedLabel, methodLabel, statusLabel } from './labels.js';

/** Registries that get a label of their own; the rest count as `other`. */
const MAX_REGISTRIES = 200;
const MAX_KINDS = 32;

/** From a header served by memory to a layer of several gigabytes over a slow line. */
const SECONDS_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

export interface RequestLabels {
  readonly registry: string;
  readonly kind: string;
  /** How the cache took part, as in the log line: `hit`, `miss`, `bypass` and so on. */
  readonly cache: string;
}

export interface UpstreamRequestLabels {
  readonly registry: string;
  readonly kind: string;
  readonly method: string;
  readonly status: number;
}

/** Levels, read from their owner when somebody asks for the metrics. */
export type GaugeName =
  | 'fillsInFlight'
  | 'storeBytes'
  | 'storeEntries'
  | 'leafCertificates'
  | 'tunnels'
  | 'storeBudgetBytes'
  | 'storeUsedBytes'
  | 'keptBytes'
  | 'storeFaulty'
  | 'rebuildShare'
  | 'scrubShare'
  | 'scrubbed'
  | 'scrubbedBytes'
  | 'scrubbedBad'
  | 'insecureRegistries'
  | 'parentsAway'
  | 'authorityExpiresSeconds';

/** Sums over all registries. */
export interface Totals {
  readonly requests: Readonly<Record<string, number>>;
  readonly sentBytes: Readonly<Record<string, number>>;
}

/** What the proxy counts. Every label comes from a bounded set, whatever a client sends. */
export interface Metrics {
  request(labels: RequestLabels): void;
  requestSeconds(labels: Omit<RequestLabels, 'registry'>, seconds: number): void;
  sentBytes(registry: string, source: 'cache' | 'upstream', bytes: number): void;
  upstreamRequest(labels: UpstreamRequestLabels): void;
  upstreamBytes(registry: string, bytes: number): void;
  /** A request was sent to this host a second time. */
  retried(host: string): void;
  /** A download that broke off goes on. */
  resumed(registry: string): void;
  /** A round of eviction has removed so much. */
  eviction(entries: number, bytes: number): void;
  ratelimitRemaining(registry: string, remaining: number): void;
  /** A registry, or its token server, went away or came back. */
  registryUp(registry: string, part: 'registry' | 'token server', up: boolean): void;
  fault(code: FaultCode): void;
  /** Says where the level of a gauge is read from now on; a reader that throws counts as 0. */
  watch(gauge: GaugeName, read: () => number): void;
  /** What was counted since the start: requests by what the cache did, body bytes sent by where they came from. */
  totals(): Promise<Totals>;
  render(): Promise<{ readonly contentType: string; readonly body: string }>;
}

const GAUGES = {
  fillsInFlight: ['entrepot_fills_in_flight', 'Downloads from upstream that are under way.'],
  storeBytes: ['entrepot_store_bytes', 'Bytes of content in the store.'],
  storeEntries: ['entrepot_store_entries', 'Pieces of content in the store.'],
  storeBudgetBytes: ['entrepot_store_budget_bytes', 'What the data folder may take (--max-size).'],
  storeUsedBytes: [
    'entrepot_store_used_bytes',
    'What the data folder takes: content, files besides it, and room that downloads were promised.',
  ],
  keptBytes: ['entrepot_kept_bytes', 'Beginnings of downloads that broke off, kept for the next request.'],
  storeFaulty: ['entrepot_store_faulty', '1 while the disk, the index or the log of facts fails, else 0.'],
  rebuildShare: ['entrepot_index_rebuild_ratio', 'How much of a rebuild of the index is done; 1 while there is none.'],
  scrubShare: ['entrepot_scrub_ratio', 'How much of the present round of the scrubber is done.'],
  scrubbed: ['entrepot_scrubbed_total', 'Pieces of content that the scrubber has hashed.'],
  scrubbedBytes: ['entrepot_scrubbed_bytes_total', 'Bytes of content that the scrubber has hashed.'],
  scrubbedBad: ['entrepot_scrubbed_bad_total', 'Pieces of content that the scrubber found damaged.'],
  leafCertificates: ['entrepot_leaf_certificates', 'Leaf certificates held in memory.'],
  tunnels: ['entrepot_tunnels', 'Tunnels that are open and not looked into.'],
  insecureRegistries: [
    'entrepot_insecure_registries',
    'Entries of the configuration whose hosts may have any certificate.',
  ],
  parentsAway: ['entrepot_parents_away', 'Parent proxies that cannot be used and are left out.'],
  authorityExpiresSeconds: [
    'entrepot_ca_expires_seconds',
    'Time until the CA certificate that signs, or one above it, expires; negative once it has.',
  ],
} as const satisfies Record<GaugeName, readonly [string, string]>;

/** A fresh set of metrics; two of them in one process know nothing of each other. `nodeDefaults: false` leaves Node's own out. */
export function createMetrics({ nodeDefaults = true }: { readonly nodeDefaults?: boolean } = {}): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const registryLabel = boundedLabel(MAX_REGISTRIES);
  const hostLabel = boundedLabel(MAX_REGISTRIES);
  const kindLabel = boundedLabel(MAX_KINDS);
  const cacheLabel = boundedLabel(MAX_KINDS);
  if (nodeDefaults) collectDefaultMetrics({ register: registry });

  const requests = new Counter({
    name: 'entrepot_requests_total',
    help: 'Exchanges with clients, by what the cache did.',
    labelNames: ['registry', 'kind', 'cache'],
    registers,
  });
  const sent = new Counter({
    name: 'entrepot_sent_bytes_total',
    help: 'Body bytes sent to clients, by where they came from.',
    labelNames: ['registry', 'source'],
    registers,
  });
  const upstreamRequests = new Counter({
    name: 'entrepot_upstream_requests_total',
    help: 'Requests sent upstream.',
    labelNames: ['registry', 'kind', 'method', 'status'],
    registers,
  });
  const upstreamBytes = new Counter({
    name: 'entrepot_upstream_bytes_total',
    help: 'Body bytes received from upstream.',
    labelNames: ['registry'],
    registers,
  });
  const retries = new Counter({
    name: 'entrepot_retries_total',
    help: 'Requests that were sent upstream a second time, because the first try failed.',
    labelNames: ['host'],
    registers,
  });
  const resumes = new Counter({
    name: 'entrepot_resumes_total',
    help: 'Downloads that broke off and went on.',
    labelNames: ['registry'],
    registers,
  });
  const seconds = new Histogram({
    name: 'entrepot_request_seconds',
    help: 'Time from the head of a request to the end of its answer.',
    labelNames: ['kind', 'cache'],
    buckets: SECONDS_BUCKETS,
    registers,
  });
  const evictions = new Counter({ name: 'entrepot_evictions_total', help: 'Pieces of content evicted.', registers });
  const evictedBytes = new Counter({
    name: 'entrepot_evicted_bytes_total',
    help: 'Bytes of content evicted.',
    registers,
  });
  const ratelimit = new Gauge({
    name: 'entrepot_ratelimit_remaining',
    help: 'Pulls that a registry said are left.',
    labelNames: ['registry'],
    registers,
  });
  const registryUp = new Gauge({
    name: 'entrepot_registry_up',
    help: 'Whether a registry, or its token server, answers: 0 while it counts as away; only those that ever were are told.',
    labelNames: ['registry', 'part'],
    registers,
  });
  const faults = new Counter({
    name: 'entrepot_faults_total',
    help: 'Exchanges and connections that failed, by fault and by who is to blame.',
    labelNames: ['code', 'source'],
    registers,
  });
  for (const code of FAULT_CODES) faults.inc(faultLabels(code), 0);

  const readers = new Map<GaugeName, () => number>();
  for (const [gauge, [name, help]] of Object.entries(GAUGES)) {
    const read = (): number => levelOf(readers.get(gauge as GaugeName));
    registry.registerMetric(
      name.endsWith('_total') ? watchedCounter(name, help, read) : watchedGauge(name, help, read),
    );
  }

  return {
    request: (labels) =>
      requests.inc({
        registry: registryLabel(labels.registry),
        kind: kindLabel(labels.kind),
        cache: cacheLabel(labels.cache),
      }),
    requestSeconds: (labels, elapsed) =>
      seconds.observe({ kind: kindLabel(labels.kind), cache: cacheLabel(labels.cache) }, elapsed),
    sentBytes: (name, source, bytes) => sent.inc({ registry: registryLabel(name), source }, bytes),
    upstreamRequest: (labels) =>
      upstreamRequests.inc({
        registry: registryLabel(labels.registry),
        kind: kindLabel(labels.kind),
        method: methodLabel(labels.method),
        status: statusLabel(labels.status),
      }),
    retried: (host) => retries.inc({ host: hostLabel(host) }),
    resumed: (name) => resumes.inc({ registry: registryLabel(name) }),
    upstreamBytes: (name, bytes) => upstreamBytes.inc({ registry: registryLabel(name) }, bytes),
    eviction(entries, bytes) {
      evictions.inc(entries);
      evictedBytes.inc(bytes);
    },
    ratelimitRemaining: (name, remaining) => ratelimit.set({ registry: registryLabel(name) }, remaining),
    registryUp: (name, part, up) => registryUp.set({ registry: registryLabel(name), part }, up ? 1 : 0),
    fault: (code) => faults.inc(faultLabels(code)),
    watch: (gauge, read) => void readers.set(gauge, read),
    totals: async () => ({ requests: await sumBy(requests, 'cache'), sentBytes: await sumBy(sent, 'source') }),
    render: async () => ({ contentType: registry.contentType, body: await registry.metrics() }),
  };
}

function watchedGauge(name: string, help: string, read: () => number): Gauge {
  return new Gauge({
    name,
    help,
    registers: [],
    collect() {
      this.set(read());
    },
  });
}

function watchedCounter(name: string, help: string, read: () => number): Counter {
  return new Counter({
    name,
    help,
    registers: [],
    collect() {
      this.reset();
      this.inc(read());
    },
  });
}

async function sumBy<Label extends string>(counter: Counter<Label>, label: Label): Promise<Record<string, number>> {
  const sums = new Map<string, number>();
  for (const { labels, value } of (await counter.get()).values) {
    const key = String(labels[label]);
    sums.set(key, (sums.get(key) ?? 0) + value);
  }
  return Object.fromEntries(sums);
}

function levelOf(read: (() => number) | undefined): number {
  try {
    return read?.() ?? 0;
  } catch {
    return 0;
  }
}

function faultLabels(code: FaultCode): { code: string; source: string } {
  return { code, source: new ProxyError(code, '').source };
}
