import type { AddressInfo } from 'node:net';
import type { FastifyError, FastifyInstance, FastifyReply } from 'fastify';
import { listenProblem } from '../config/listen-problem.js';
import type { ListenAddress } from '../config/units.js';
import type { HostPatterns } from '../net/host-pattern.js';
import type { Logger } from '../telemetry/log.js';
import type { Metrics } from '../telemetry/metrics.js';
import { FINGERPRINT_HEADER, type Offer } from '../tls/offer.js';
import { createProtection } from './protection.js';
import type { Stats } from './stats.js';

/** Whether the proxy can do all of its work, and what is amiss where it cannot. */
export interface Readiness {
  readonly ready: boolean;
  /** One sentence each. */
  readonly faults: readonly string[];
  /** One sentence each, for what works and should not stay so. */
  readonly warnings?: readonly string[];
}

export interface AdminOptions {
  readonly listen: ListenAddress;
  readonly metrics: Pick<Metrics, 'render'>;
  /** The certificates that clients are to trust. */
  readonly offer: () => Offer;
  readonly readiness: () => Readiness;
  readonly stats: () => Promise<Stats>;
  /** What opens everything but health, metrics and the certificates. */
  readonly token: string;
  /** Names of this API, besides IP addresses and `localhost`. */
  readonly hosts: HostPatterns;
  readonly logger: Logger;
}

export interface AdminServer {
  readonly host: string;
  readonly port: number;
  /** Stops listening and ends the connections. */
  close(): Promise<void>;
}

const REQUEST_TIMEOUT_MS = 10_000;
const BODY_LIMIT_BYTES = 64 * 1024;

/** Headers of every answer: nothing that this port serves is a page, may run, or may be kept. */
const HEADERS = {
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cache-control': 'no-store',
};

/** What a route says that is for everybody, under any name. Every other is closed, and so is what there is no route for. */
const OPEN = { config: { open: true } } as const;

/**
 * Listens on the admin port: health, readiness, metrics and the CA certificate, all of them open, and the API.
 * @throws ConfigError where the address cannot be listened on
 */
export async function createAdminServer(options: AdminOptions): Promise<AdminServer> {
  // Loaded here, because a proxy without an admin port starts sooner without it.
  const { fastify } = await import('fastify');
  const server = fastify({
    logger: false,
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: true,
    frameworkErrors: (_error, _request, reply: FastifyReply) =>
      void reply.code(400).headers(HEADERS).send({ error: 'bad request' }),
  });
  server.addHook('onRequest', async (_request, reply) => {
    reply.headers(HEADERS);
  });
  // A web page can send text/plain anywhere without being asked first; JSON it cannot.
  server.removeContentTypeParser('text/plain');
  const judge = createProtection(options);
  server.addHook('onRequest', async ({ raw, ip, routeOptions }, reply) => {
    if ((routeOptions.config as Partial<typeof OPEN.config> | undefined)?.open === true) return undefined;
    const refusal = judge(raw, ip);
    if (refusal === undefined) return undefined;
    return reply.code(refusal.status).headers(refusal.headers).send({ error: refusal.error });
  });
  server.setNotFoundHandler(async (_request, reply) => reply.code(404).send({ error: 'not found' }));
  server.setErrorHandler(async (error: FastifyError, _request, reply) => {
    const status = error.statusCode ?? 500;
    if (status >= 500) options.logger.error({ error: error.message }, 'The admin port failed to answer');
    return reply.code(status).send({ error: status >= 500 ? 'internal error' : 'bad request' });
  });
  addHealth(server, options);
  addCertificate(server, options.offer);
  server.get('/api/v1/stats', async () => options.stats());
  return start(server, options.listen);
}

function addHealth(server: FastifyInstance, { metrics, readiness }: AdminOptions): void {
  server.get('/healthz', OPEN, async (_request, reply) => reply.type('text/plain; charset=utf-8').send('ok\n'));
  server.get('/readyz', OPEN, async (_request, reply) => {
    const { ready, faults, warnings = [] } = readiness();
    return reply.code(ready ? 200 : 503).send({ ready, faults, warnings });
  });
  server.get('/metrics', OPEN, async (_request, reply) => {
    const { contentType, body } = await metrics.render();
    return reply.type(contentType).send(body);
  });
}

function addCertificate(server: FastifyInstance, offer: AdminOptions['offer']): void {
  server.get('/ca.crt', OPEN, async (_request, reply) => {
    const { pem, fingerprints } = offer();
    return reply
      .type('application/x-pem-file')
      .header('content-disposition', 'attachment; filename="entrepot-ca.crt"')
      .header(FINGERPRINT_HEADER, fingerprints)
      .send(pem);
  });
  server.get('/ca.der', OPEN, async (_request, reply) => {
    const { der, derFingerprint } = offer();
    return reply
      .type('application/pkix-cert')
      .header('content-disposition', 'attachment; filename="entrepot-ca.der"')
      .header(FINGERPRINT_HEADER, derFingerprint)
      .send(der);
  });
}

async function start(server: FastifyInstance, { host, port }: AdminOptions['listen']): Promise<AdminServer> {
  try {
    await server.listen({ host, port });
  } catch (error) {
    await server.close();
    throw listenProblem('admin-listen', { host, port }, error);
  }
  const address = server.server.address() as AddressInfo;
  return { host: address.address, port: address.port, close: async () => server.close() };
}
