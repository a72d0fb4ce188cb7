import type { InventoryOperations } from '../inventory/contract.js';
import type { Metrics } from '../telemetry/metrics.js';
import type { AdminRoute } from './route.js';
import { listOf, objectOf } from './schemas.js';
import type { Stats } from './stats.js';

/** Whether the proxy can do all of its work, and what is amiss where it cannot. */
export interface Readiness {
  readonly ready: boolean;
  /** One sentence each. */
  readonly faults: readonly string[];
  /** One sentence each, for what works and should not stay so. */
  readonly warnings?: readonly string[];
}

export interface HealthParts {
  readonly metrics: Pick<Metrics, 'render'>;
  readonly readiness: () => Readiness;
  /** What there is to tell besides the store. */
  readonly stats: () => Promise<Omit<Stats, 'store'>>;
  readonly inventory: Pick<InventoryOperations, 'stats'>;
}

const SENTENCES = listOf({ type: 'string' });
const READINESS = objectOf({ ready: { type: 'boolean' }, faults: SENTENCES, warnings: SENTENCES });
/** Further figures may join. */
const STATS = { type: 'object', additionalProperties: true };

/** How the proxy is. */
export function healthRoutes({ metrics, readiness, stats, inventory }: HealthParts): AdminRoute[] {
  return [
    {
      method: 'GET',
      path: '/healthz',
      summary: 'Whether the proxy is alive',
      open: true,
      answers: { 200: { description: 'it is', contentType: 'text/plain' } },
      run: async () => ({ headers: { 'content-type': 'text/plain; charset=utf-8' }, body: 'ok\n' }),
    },
    {
      method: 'GET',
      path: '/readyz',
      summary: 'Whether the proxy can do all of its work',
      open: true,
      answers: {
        200: { description: 'it can', schema: READINESS },
        503: { description: 'it cannot, and why', schema: READINESS },
      },
      run: async () => {
        const { ready, faults, warnings = [] } = readiness();
        return { status: ready ? 200 : 503, body: { ready, faults, warnings } };
      },
    },
    {
      method: 'GET',
      path: '/metrics',
      summary: 'Metrics in the text format of Prometheus',
      open: true,
      answers: { 200: { description: 'the metrics', contentType: 'text/plain' } },
      run: async () => {
        const { contentType, body } = await metrics.render();
        return { headers: { 'content-type': contentType }, body };
      },
    },
    {
      method: 'GET',
      path: '/api/v1/stats',
      summary: 'What is stored, was asked for and is under way, in figures',
      answers: { 200: { description: 'the figures', schema: STATS } },
      run: async () => ({ body: { ...(await stats()), store: await inventory.stats() } satisfies Stats }),
    },
  ];
}
