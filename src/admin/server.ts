import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { listenProblem } from '../config/listen-problem.js';
import type { ListenAddress } from '../config/units.js';
import { ConfigError } from '../errors.js';
import { headerValue } from '../http/headers.js';
import type { InventoryOperations } from '../inventory/contract.js';
import type { HostPatterns } from '../net/host-pattern.js';
import type { Logger } from '../telemetry/log.js';
import type { Offer } from '../tls/offer.js';
import { describeBadRequest } from './bad-request.js';
import { certificateRoutes } from './certificate-routes.js';
import { type HealthParts, healthRoutes } from './health-routes.js';
import { describeApi } from './open-api.js';
import { pinRoutes } from './pin-routes.js';
import { createProtection } from './protection.js';
import type { AdminAnswer, AdminRequest, AdminRoute, JsonSchema } from './route.js';
import { objectOf, SHARED } from './schemas.js';
import { storeRoutes } from './store-routes.js';
import { workRoutes } from './work-routes.js';

export type { Readiness } from './health-routes.js';

export interface AdminOptions extends HealthParts {
  readonly listen: ListenAddress;
  /** The certificates that clients are to trust. */
  readonly offer: () => Offer;
  readonly inventory: InventoryOperations;
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
/** A digest of sha512 has 135. */
const MAX_PARAM_LENGTH = 200;
const LINES_TYPE = 'application/x-ndjson';
const API_VERSION = '1';
const WHOLE_NUMBER = /^\d{1,15}$/;

/** Headers of every answer: nothing that this port serves is a page, may run, or may be kept. */
const HEADERS = {
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cache-control': 'no-store',
};

/** What a route keeps in fastify's own description of it. */
interface RouteConfig {
  readonly route?: AdminRoute;
}

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
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    // What is not in a schema is an error, and not left out in silence; nor is null a zero, which would empty the store.
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false } },
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
    // Closed is every route that does not say otherwise, and what there is no route for.
    if ((routeOptions.config as RouteConfig | undefined)?.route?.open === true) return undefined;
    const refusal = judge(raw, ip);
    if (refusal === undefined) return undefined;
    return reply.code(refusal.status).headers(refusal.headers).send({ error: refusal.error });
  });
  server.setNotFoundHandler(async (_request, reply) => reply.code(404).send({ error: 'not found' }));
  server.setErrorHandler(async (error: FastifyError, request, reply) => {
    const { status, text } = describeError(error, request);
    if (status >= 500) options.logger.error({ error: error.message }, 'The admin port failed to answer');
    return reply.code(status).send({ error: text });
  });
  for (const [name, schema] of Object.entries(SHARED)) server.addSchema({ $id: name, ...schema });
  for (const route of routesOf(options)) addRoute(server, route);
  return start(server, options.listen);
}

function routesOf(options: AdminOptions): AdminRoute[] {
  const routes = [
    ...healthRoutes(options),
    ...certificateRoutes(options.offer),
    ...storeRoutes(options.inventory),
    ...pinRoutes(options.inventory),
    ...workRoutes(options.inventory),
  ];
  routes.push({
    method: 'GET',
    path: '/api/v1/openapi.json',
    summary: 'This API as an OpenAPI document',
    answers: { 200: { description: 'the document' } },
    run: async () => ({ body: describeApi(routes, API_VERSION) }),
  });
  return routes;
}

function addRoute(server: FastifyInstance, route: AdminRoute): void {
  const { method, path, params, query = {}, requiredQuery = [], body, answers } = route;
  const response = Object.entries(answers).flatMap(([status, { schema }]) => (schema ? [[status, schema]] : []));
  server.route({
    method,
    url: path,
    config: { route } satisfies RouteConfig,
    schema: {
      ...(params && { params: objectOf(params) }),
      ...(body && { body }),
      querystring: { ...objectOf(query), required: requiredQuery },
      response: Object.fromEntries(response) as Record<string, unknown>,
    },
    preValidation: async (request) => readNumbers(query, request.query as Record<string, unknown>),
    handler: async (request, reply) => send(reply, await route.run(requestOf(request, reply))),
  });
}

/** A query is all text; what its schemas call an integer becomes one. */
function readNumbers(schemas: Readonly<Record<string, JsonSchema>>, query: Record<string, unknown>): void {
  for (const [name, { type }] of Object.entries(schemas)) {
    const text = query[name];
    if (type === 'integer' && typeof text === 'string' && WHOLE_NUMBER.test(text)) query[name] = Number(text);
  }
}

function requestOf(request: FastifyRequest, reply: FastifyReply): AdminRequest {
  const leaving = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) leaving.abort();
  });
  return {
    params: request.params as Record<string, string>,
    query: request.query as Record<string, unknown>,
    body: request.body,
    wantsLines: (headerValue(request.raw.rawHeaders, 'accept') ?? '').includes(LINES_TYPE),
    signal: leaving.signal,
  };
}

function send(reply: FastifyReply, { status = 200, headers = {}, body, lines }: AdminAnswer): FastifyReply {
  void reply.code(status).headers(headers);
  if (lines === undefined) return reply.send(body);
  return reply.type(LINES_TYPE).send(Readable.from(textOf(lines)));
}

async function* textOf(lines: AsyncIterable<object>): AsyncGenerator<string> {
  for await (const line of lines) yield `${JSON.stringify(line)}\n`;
}

function describeError(
  error: FastifyError,
  request: FastifyRequest,
): { readonly status: number; readonly text: string } {
  if (error instanceof ConfigError) return { status: 400, text: error.problems.join(' ') };
  const status = error.statusCode ?? 500;
  if (status >= 500) return { status, text: 'internal error' };
  const [complaint] = error.validation ?? [];
  const { route } = request.routeOptions.config as RouteConfig;
  if (complaint !== undefined && route !== undefined) {
    return { status, text: describeBadRequest(route, error.validationContext ?? 'body', complaint) };
  }
  if (status === 415) return { status, text: 'the body must be JSON, with Content-Type: application/json' };
  return { status, text: route?.body === undefined ? 'bad request' : 'the body is not JSON' };
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
