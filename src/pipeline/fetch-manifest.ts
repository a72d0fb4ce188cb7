import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { ProxyError } from '../errors.js';
import { withCacheStatus } from '../http/cache-status.js';
import { headerValue, setHeader } from '../http/headers.js';
import { type Digest, digestAlgorithm, digestOf } from '../oci/digest.js';
import { MAX_MANIFEST_BYTES } from '../oci/manifest.js';
import { isManifestType } from '../oci/media-types.js';
import type { UpstreamResponse } from '../upstream/contract.js';
import { isEncoded, passOn } from './fill.js';
import type { FetchedManifest } from './manifest-fetches.js';
import { wholeContentHeaders } from './outgoing.js';
import { piecesOf, relay, relayedHeaders } from './relay.js';
import { serveBody } from './serve-body.js';
import { rememberTag } from './tag-memory.js';
import { type CacheOutcome, note } from './trace.js';
import type { Visit } from './visit.js';

/** How long an answer waits for its manifest to be on disk, so that the very next pull finds it. A disk that hangs holds nobody up. */
const KEEP_WAIT_MS = 1000;

/**
 * Gets a manifest with the client's own GET, keeps it under the digest of its bytes, and gives it to the client as it
 * came. By digest, equal fetches for a repository are one: `permitted` says that this credential may follow another's.
 */
export async function fetchManifest(visit: Visit, outcome: CacheOutcome, permitted: boolean): Promise<void> {
  const { digest } = visit.route;
  if (!digest || !permitted) {
    const fetched = await fetchOnce(visit);
    if (fetched) await answerWith(visit, fetched, outcome);
    return;
  }
  const key = `${visit.scope} ${digest}`;
  const { leader, fetched } = await visit.context.manifestFetches.join(key, () => fetchOnce(visit));
  if (fetched) return leader ? answerWith(visit, fetched, outcome) : answerFollower(visit, digest, fetched);
  if (!leader) return fetchManifest(visit, outcome, false);
}

/** Sends the GET. Gives the manifest where it is one to keep; anything else is the client's answer and is sent at once. */
async function fetchOnce(visit: Visit): Promise<FetchedManifest | undefined> {
  const { context, exchange, scope, credential, route } = visit;
  const { target } = exchange;
  const headers = wholeContentHeaders(exchange.request.headers, context.viaId);
  const response = await visit.upstream.send({ target, method: 'GET', path: exchange.request.path, headers });
  const { status } = response;
  await context.access.observe({ scope, credential, digest: route.digest, status, refusalCounts: true });
  const contentType = headerValue(response.headers, 'content-type') ?? '';
  if (status !== 200 || isEncoded(response) || !isManifestType(contentType)) {
    await passOn(visit, response, status === 200 ? 'not-a-manifest' : 'refused');
    return undefined;
  }
  const body = await readWhole(visit, response);
  if (!body) return undefined;
  const digest = verified(visit, body);
  await permitBearer(visit, digest, body, contentType);
  await Promise.race([keep(visit, digest, body, contentType), delay(KEEP_WAIT_MS, undefined, { ref: false })]);
  return { headers: response.headers, body };
}

/** Reads a manifest into memory. One that is larger than any registry takes is passed through: undefined, and answered. */
async function readWhole(visit: Visit, response: UpstreamResponse): Promise<Buffer | undefined> {
  const { context, exchange, trace } = visit;
  const pieces: Buffer[] = [];
  let size = 0;
  const rest = piecesOf(response, exchange.target.host);
  for (let next = await rest.next(); !next.done; next = await rest.next()) {
    pieces.push(next.value);
    size += next.value.length;
    if (size <= MAX_MANIFEST_BYTES) continue;
    const status = note(trace, 'bypass', 'manifest-too-large');
    const whole = { ...response, body: Readable.from(joined(pieces, rest)) };
    await relay(whole, exchange.reply, { host: exchange.target.host, status, onBytes: () => {} });
    return undefined;
  }
  context.metrics.upstreamBytes(trace.registry, size);
  return Buffer.concat(pieces);
}

async function* joined(pieces: readonly Buffer[], rest: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  yield* pieces;
  yield* rest;
}

/** The digest of the bytes; what the registry claims in a header proves nothing. Throws where another was asked for. */
function verified(visit: Visit, body: Buffer): Digest {
  const asked = visit.route.digest;
  const algorithm = asked ? digestAlgorithm(asked) : 'sha256';
  const digest = digestOf(algorithm, createHash(algorithm).update(body).digest('hex'));
  if (asked && digest !== asked) {
    const { host } = visit.exchange.target;
    throw new ProxyError('digest-mismatch', `${host} answered a request for ${asked} with other bytes (${digest})`);
  }
  return digest;
}

/** The live answer counts at once, for the manifest and for what it lists. */
async function permitBearer(visit: Visit, digest: Digest, body: Buffer, contentType: string): Promise<void> {
  visit.context.storedManifests.add(digest, body, contentType);
  await visit.context.access.allow(visit.scope, visit.credential, digest, body.length, true);
}

/** Puts the bytes on disk, and only then writes the delivery down. A disk that fails is counted and costs the client nothing. */
async function keep(visit: Visit, digest: Digest, body: Buffer, contentType: string): Promise<void> {
  const { context, scope, exchange, route } = visit;
  try {
    await context.store.put(digest, body, contentType);
    await context.access.delivered(scope, digest);
    await rememberTag(visit, digest);
    context.onDelivered(exchange.target);
    context.publicProofs.offer({
      target: exchange.target,
      scope,
      repository: route.repository,
      digest,
      sizeBytes: body.length,
    });
  } catch (error) {
    context.metrics.fault('store');
    context.logger.warn({ id: exchange.id, digest, error: (error as Error).message }, 'A manifest could not be stored');
  }
}

async function answerWith(visit: Visit, fetched: FetchedManifest, outcome: CacheOutcome): Promise<void> {
  const { exchange, trace } = visit;
  const status = note(trace, outcome, outcome === 'request' ? 'tag-not-held' : 'not-held');
  // The length is that of the whole body; an upstream that sent it in chunks gave none.
  const headers = setHeader(relayedHeaders(fetched.headers, undefined), 'Content-Length', String(fetched.body.length));
  exchange.reply.head(200, withCacheStatus(headers, status));
  await exchange.reply.write(fetched.body);
  await exchange.reply.end();
}

async function answerFollower(visit: Visit, digest: Digest, fetched: FetchedManifest): Promise<void> {
  const mediaType = headerValue(fetched.headers, 'content-type');
  const status = note(visit.trace, 'collapsed', 'in-flight');
  await serveBody(visit.exchange, { digest, mediaType, reader: memoryReader(fetched.body), status });
}

function memoryReader(body: Buffer) {
  return {
    sizeBytes: body.length,
    async read(offset: number, maxBytes: number) {
      if (offset >= body.length) return undefined;
      return { bytes: body.subarray(offset, offset + maxBytes), release: () => {} };
    },
    close: () => {},
  };
}
