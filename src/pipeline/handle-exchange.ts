import { asProxyError, ProxyError } from '../errors.js';
import type { Exchange, RawHeaders } from '../http/exchange.js';
import { setHeader } from '../http/headers.js';
import { hasPassed } from '../http/via.js';
import type { Digest } from '../oci/digest.js';
import { errorBody } from '../oci/error-body.js';
import { parseRoute } from '../oci/route.js';
import { canonicalRegistry } from '../registries/aliases.js';
import type { UpstreamClient } from '../upstream/contract.js';
import { upstreamFor } from './ask-upstream.js';
import { type Authorisation, askWhether, knownPermission } from './authorise.js';
import type { PipelineContext } from './context.js';
import { decide } from './decide.js';
import { fetchManifest } from './fetch-manifest.js';
import { fill, passOn } from './fill.js';
import { findContent } from './find-content.js';
import { forward, forwardHead } from './forward.js';
import { answerTokenRequest, asStranger, isTokenRequest } from './offline-token.js';
import { hear } from './outage.js';
import { answerPing } from './ping.js';
import { record } from './record.js';
import { resolveTag } from './resolve.js';
import { serve } from './serve.js';
import { findStale, type Stale, serveStale } from './stale.js';
import { startTrace, type Trace } from './trace.js';
import { scopeOf, type Visit } from './visit.js';
import { WrongBytesPause } from './wrong-bytes.js';

/** Answers one exchange, from its route to its log line. Never rejects: whatever goes wrong is the client's answer. */
export async function handleExchange(context: PipelineContext, received: Exchange): Promise<void> {
  const stranger = context.offlineTokens.isShown(received.request.headers);
  const exchange = stranger ? asStranger(received) : received;
  const { request, target } = exchange;
  const route = parseRoute(request.method, request.path);
  const trace = startTrace(exchange, route, canonicalRegistry(target.host, target.port, target.scheme));
  const upstream = upstreamFor(context, trace, context.upstream);
  try {
    if (hasPassed(request.headers, context.viaId)) {
      throw new ProxyError('loop', 'this request has been through this proxy before: its upstream leads back to it');
    }
    if (isTokenRequest(request.path) && context.outage === 'serve') {
      return await answerTokenRequest(exchange, context.offlineTokens);
    }
    const first = decide({ method: request.method, route });
    if (route.kind === 'ping') return await answerPing(context, exchange, trace, upstream, stranger);
    if (route.kind !== 'manifest' && route.kind !== 'blob') {
      await forward(context, exchange, trace, upstream, first.reason);
      return;
    }
    const credential = context.credentials.read(request.headers, exchange.connection);
    const scope = scopeOf(trace.registry, route);
    const limited = (client: UpstreamClient) => context.limits.limited(client, credential.id);
    const visit: Visit = {
      context,
      exchange,
      trace,
      route,
      scope,
      credential,
      stranger,
      upstream: limited(upstream),
      blobs: limited(upstreamFor(context, trace, context.blobs)),
    };
    if (first.action === 'forward') await (first.reason === 'head' ? forwardHead(visit) : forwardWrite(visit));
    else if (first.action === 'resolve') await resolveTag(visit);
    else if (route.digest !== undefined) await giveByDigest(visit, route.digest);
  } catch (error) {
    await answerFault(context, exchange, trace, error);
  } finally {
    record(context, exchange, trace);
  }
}

/** Content by digest: let the credential in first, then look on the disk, then give the bytes or get them. */
async function giveByDigest(visit: Visit, digest: Digest): Promise<void> {
  const { exchange, route } = visit;
  const { method } = exchange.request;
  const authorisation = (await knownPermission(visit, digest)) ?? (await askOrGiveStale(visit, digest));
  if (authorisation === 'answered') return undefined;
  if (authorisation.outcome === 'refused') return passOn(visit, authorisation.response, 'refused');
  if (authorisation.outcome === 'unproven') return fetchUnproven(visit);
  const { by, permission } = authorisation;
  const entry = await findContent(visit, digest, permission);
  const decision = decide({ method, route, permission: by, usable: entry !== undefined });
  if (decision.action === 'serve' && entry && (await serve(visit, entry, decision.reason))) return undefined;
  return route.kind === 'manifest' ? fetchManifest(visit, 'miss', true) : fill(visit, digest, by, permission.sizeBytes);
}

/** Asks the registry about a digest; where it cannot answer, the client gets what it may have without. */
async function askOrGiveStale(visit: Visit, digest: Digest): Promise<Authorisation | 'answered'> {
  const heard = await hear<Authorisation, Stale>({
    context: visit.context,
    target: visit.exchange.target,
    anonymous: visit.credential.anonymous,
    ask: () => askWhether(visit, digest),
    instead: () => findStale(visit, digest),
    abandon: discard,
  });
  if ('answer' in heard) return heard.answer;
  return (await serveStale(visit, heard.instead)) ? 'answered' : askWhether(visit, digest);
}

function discard(authorisation: Authorisation): void {
  if (authorisation.outcome === 'refused') authorisation.response.discard();
}

/** The registry gave no answer that counts to our question; the client's own request will get the one that does. */
async function fetchUnproven(visit: Visit): Promise<void> {
  if (visit.route.kind === 'manifest') return fetchManifest(visit, 'miss', false);
  const status = await forward(visit.context, visit.exchange, visit.trace, visit.upstream, 'not-proven');
  await visit.context.access.observe({ ...visit, digest: visit.route.digest, status, refusalCounts: true });
}

/** A push or a deletion. What a registry was seen to delete is not given out from here any more. */
async function forwardWrite(visit: Visit): Promise<void> {
  const { context, exchange, trace, upstream, scope, route } = visit;
  const status = await forward(context, exchange, trace, upstream, 'write');
  const deleted = exchange.request.method === 'DELETE' && status >= 200 && status < 300;
  if (deleted && route.digest !== undefined) await context.access.deleted(scope, route.digest);
}

async function answerFault(context: PipelineContext, exchange: Exchange, trace: Trace, thrown: unknown): Promise<void> {
  const { reply, request, signal } = exchange;
  const error = signal.aborted
    ? new ProxyError('client-gone', 'the client went away', { cause: thrown })
    : asProxyError(thrown);
  trace.reason = error.code;
  if (error.code !== 'client-gone') {
    context.metrics.fault(error.code);
    context.logger.warn(
      { id: exchange.id, code: error.code, source: error.source, error: error.message },
      'Exchange failed',
    );
  }
  if (reply.headSent || signal.aborted) {
    reply.destroy();
    return;
  }
  // What went wrong inside is for the log; its words may hold what is none of a client's business (threats F07).
  const message =
    error.source === 'internal' && !(thrown instanceof ProxyError) ? 'the proxy has failed' : error.message;
  const { headers, body } = errorBody(error.status, message, exchange.id);
  reply.head(error.status, error instanceof WrongBytesPause ? comeBack(headers, error.retryAfterMs) : headers);
  try {
    if (request.method !== 'HEAD') await reply.write(body);
    await reply.end();
  } catch {
    reply.destroy();
  }
}

function comeBack(headers: RawHeaders, afterMs: number): RawHeaders {
  return setHeader(headers, 'Retry-After', String(Math.ceil(afterMs / 1000)));
}
