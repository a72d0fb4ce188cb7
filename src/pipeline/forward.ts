import type { CacheStatus } from '../http/cache-status.js';
import type { Exchange } from '../http/exchange.js';
import { headerValue } from '../http/headers.js';
import { parseDigest } from '../oci/digest.js';
import type { UpstreamClient } from '../upstream/contract.js';
import { askHead, yesOf } from './authorise.js';
import type { PipelineContext } from './context.js';
import type { HeadAnswer } from './heads.js';
import { offerProof } from './offer-proof.js';
import { hear } from './outage.js';
import { forwardedHeaders } from './outgoing.js';
import { relay, relayedHeaders } from './relay.js';
import { serveFresh } from './resolve.js';
import { findStale, serveStale } from './stale.js';
import { recallTag, rememberTag } from './tag-memory.js';
import { note, type Trace } from './trace.js';
import type { Visit } from './visit.js';

/** Passes a request on untouched, body and all, and streams the answer back. Nothing of it is stored. */
export async function forward(
  context: PipelineContext,
  exchange: Exchange,
  trace: Trace,
  upstream: UpstreamClient,
  reason: string,
): Promise<number> {
  const { request, target, signal } = exchange;
  const response = await upstream.send({
    target,
    method: request.method,
    path: request.path,
    headers: forwardedHeaders(request.headers, context.viaId),
    signal,
    ...(request.hasBody && { body: request.body }),
  });
  await relay(response, exchange.reply, {
    host: target.host,
    status: note(trace, 'bypass', reason),
    onBytes: (bytes) => context.metrics.upstreamBytes(trace.registry, bytes),
  });
  return response.status;
}

/**
 * Passes a HEAD for content on: only the registry knows what it holds, and pushes depend on the answer. Its yes is a
 * grant for what follows. Equal HEADs at the same time are one. Where the registry cannot answer, the store does.
 */
export async function forwardHead(visit: Visit): Promise<void> {
  const { context, exchange, trace, route, credential } = visit;
  if (await serveFresh(visit)) return undefined;
  const heard = await hear({
    context,
    target: exchange.target,
    anonymous: credential.anonymous,
    ask: () => askHead(visit),
    instead: async () => findStale(visit, route.digest ?? (await recallTag(visit))),
  });
  if ('instead' in heard) return void (await serveStale(visit, heard.instead));
  const { answer } = heard;
  await learn(visit, answer);
  const status: CacheStatus = note(trace, 'bypass', 'head');
  exchange.reply.head(answer.status, relayedHeaders(answer.headers, status));
  await exchange.reply.end();
}

async function learn(visit: Visit, answer: HeadAnswer): Promise<void> {
  const { context, scope, credential, route } = visit;
  const digest = route.digest ?? parseDigest(headerValue(answer.headers, 'docker-content-digest') ?? '');
  const sizeBytes = digest && yesOf(answer, digest);
  if (digest === undefined || sizeBytes === undefined) return;
  const isManifest = route.kind === 'manifest';
  if (answer.stranger !== true) context.access.allow(scope, credential, digest, sizeBytes, isManifest, answer.askedAt);
  if (!isManifest) return;
  await rememberTag(visit, digest);
  const entry = await context.store.lookup(digest);
  if (entry?.sizeBytes === sizeBytes) offerProof(visit, digest, sizeBytes);
}
