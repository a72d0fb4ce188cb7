import type { FillBody, Flight } from '../cache/flight.js';
import { ProxyError } from '../errors.js';
import { headerValue } from '../http/headers.js';
import type { Digest } from '../oci/digest.js';
import type { UpstreamResponse } from '../upstream/contract.js';
import { sendFollowing } from '../upstream/redirects.js';
import { announcedLength } from './ask-upstream.js';
import { forwardedHeaders, wholeContentHeaders } from './outgoing.js';
import { piecesOf, relay } from './relay.js';
import { requestedRanges, serveBody } from './serve-body.js';
import { note } from './trace.js';
import type { Visit } from './visit.js';

/** A range that starts further than this past what has arrived is passed through instead of waited for. */
const FAR_AHEAD_BYTES = 64 * 1024 * 1024;

/** How often a follower starts over whose leader was turned away, before it passes its own request through. */
const MAX_FOLLOWED_LEADERS = 3;

/** The registry answered a fill with something that is no body to keep. It is the leader's answer and nobody else's. */
class FillRefused extends Error {
  override readonly name = 'FillRefused';
  readonly response: UpstreamResponse;

  constructor(response: UpstreamResponse) {
    super('the registry did not deliver');
    this.response = response;
  }
}

/**
 * Gets a blob from upstream: joins the flight that brings it, or starts one, and sends the body as it arrives. The
 * credential was allowed before. What the registry answers instead of a body goes to the client whose request it was.
 */
export async function fill(visit: Visit, digest: Digest): Promise<void> {
  for (let attempt = 0; attempt < MAX_FOLLOWED_LEADERS; attempt += 1) {
    const { flight, leader } = visit.context.flights.join({
      key: `${visit.scope} ${digest}`,
      digest,
      mediaType: undefined,
      open: (signal) => openFill(visit, digest, signal),
      onVerified: async (_sizeBytes, entry) => {
        if (!entry) return;
        await visit.context.access.delivered(visit.scope, digest);
        visit.context.onDelivered(visit.exchange.target);
      },
    });
    try {
      await flight.head;
    } catch (error) {
      if (!(error instanceof FillRefused)) throw error;
      if (!leader) continue;
      return passOn(visit, error.response, 'refused');
    }
    return follow(visit, flight, digest, leader);
  }
  return passThrough(visit, 'leaders-refused');
}

async function openFill(visit: Visit, digest: Digest, signal: AbortSignal): Promise<FillBody> {
  const { context, exchange, scope, credential } = visit;
  const headers = wholeContentHeaders(exchange.request.headers, context.viaId);
  const request = { target: exchange.target, method: 'GET', path: exchange.request.path, headers, signal };
  const response = await sendFollowing(visit.upstream, request);
  const { status } = response;
  await context.access.observe({ scope, credential, digest, status, refusalCounts: true });
  if (status === 206) {
    response.discard();
    throw new ProxyError('upstream-protocol', `${exchange.target.host} answered a request for the whole with a part`);
  }
  if (status !== 200 || isEncoded(response)) throw new FillRefused(response);
  const sizeBytes = announcedLength(response);
  await context.access.allow(scope, credential, digest, sizeBytes, false);
  return fillBody(visit, response, sizeBytes);
}

/** An encoded body is not the content that the digest is of; it is passed on, and not stored. */
export function isEncoded(response: UpstreamResponse): boolean {
  const encoding = headerValue(response.headers, 'content-encoding');
  return encoding !== undefined && encoding.trim().toLowerCase() !== 'identity';
}

function fillBody(visit: Visit, response: UpstreamResponse, sizeBytes: number | undefined): FillBody {
  const { context, exchange, trace } = visit;
  return {
    sizeBytes,
    async pump(sink) {
      for await (const piece of piecesOf(response, exchange.target.host)) {
        context.metrics.upstreamBytes(trace.registry, piece.length);
        const pause = sink(piece);
        if (pause) await pause;
      }
    },
    abort: () => response.body.destroy(),
  };
}

async function follow(visit: Visit, flight: Flight, digest: Digest, leader: boolean): Promise<void> {
  const { exchange, trace } = visit;
  const reader = flight.reader();
  const release = isFarAhead(visit, flight, digest, reader.sizeBytes) ? flight.takeBypass() : undefined;
  if (release) {
    reader.close();
    return passThrough(visit, 'far-ahead').finally(release);
  }
  const status = note(trace, leader ? 'miss' : 'collapsed', leader ? 'not-held' : 'in-flight');
  await serveBody(exchange, { digest, mediaType: undefined, reader, status });
}

function isFarAhead(visit: Visit, flight: Flight, digest: Digest, sizeBytes: number | undefined): boolean {
  if (sizeBytes === undefined) return false;
  const ranges = requestedRanges(visit.exchange.request.headers, digest, sizeBytes);
  if (ranges === 'whole' || ranges === 'unsatisfiable') return false;
  const firstStart = Math.min(...ranges.map((range) => range.start));
  return firstStart > flight.receivedBytes + FAR_AHEAD_BYTES;
}

/** The client's own request, range and all, redirects followed, nothing stored. */
async function passThrough(visit: Visit, reason: 'far-ahead' | 'leaders-refused'): Promise<void> {
  const { context, exchange } = visit;
  const headers = forwardedHeaders(exchange.request.headers, context.viaId);
  const { target, signal } = exchange;
  const request = { target, method: 'GET', path: exchange.request.path, headers, signal };
  return passOn(visit, await sendFollowing(visit.upstream, request), reason);
}

/** Gives the client an answer of the registry as it is. */
export async function passOn(visit: Visit, response: UpstreamResponse, reason: string): Promise<void> {
  const { context, exchange, trace } = visit;
  const status = note(trace, reason === 'far-ahead' ? 'partial' : 'bypass', reason);
  await relay(response, exchange.reply, {
    host: exchange.target.host,
    status,
    onBytes: (bytes) => context.metrics.upstreamBytes(trace.registry, bytes),
  });
}
