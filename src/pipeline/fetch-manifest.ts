import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { ProxyError } from '../errors.js';
import { withCacheStatus } from '../http/cache-status.js';
import { headerValue, headerValues, setHeader } from '../http/headers.js';
import { type Digest, digestAlgorithm, digestOf } from '../oci/digest.js';
import { MAX_MANIFEST_BYTES } from '../oci/manifest.js';
import { isManifestType, normaliseAccept } from '../oci/media-types.js';
import type { UpstreamResponse } from '../upstream/contract.js';
import { isOutageFault, isOutageStatus } from '../upstream/registry-health.js';
import { authorise } from './authorise.js';
import { isEncoded, passOn } from './fill.js';
import type { FetchedManifest } from './manifest-fetches.js';
import { offerProof } from './offer-proof.js';
import { wholeContentHeaders } from './outgoing.js';
import { piecesOf, relayedHeaders } from './relay.js';
import { serveBody } from './serve-body.js';
import { rememberTag } from './tag-memory.js';
import { type CacheOutcome, NOT_STORED, note } from './trace.js';
import { type Visit, wantedBy } from './visit.js';

/** The longest that one manifest may take from its registry: 4 MiB over a very thin line. */
const FETCH_MS = 120_000;

/** How long an answer waits for its manifest to be on disk, so that the very next pull finds it. A disk that hangs holds nobody up. */
const KEEP_WAIT_MS = 1000;

/** What a GET brought: a manifest to keep, or something else that is the client's own answer, to be sent by `pass`. */
type Fetched =
  | { readonly manifest: FetchedManifest }
  | {
      readonly manifest: undefined;
      readonly status: number;
      pass(): Promise<void>;
      /** Throws it away. */
      discard(): void;
    };

/** What may answer a request for a tag besides its own GET. Each gives whether it has. */
export interface OtherWays {
  /** Looks the tag up again: somebody else's GET has just brought what it points to. */
  again(): Promise<boolean>;
  /** Gives what is held, because the registry cannot be asked. */
  stale(): Promise<boolean>;
}

/**
 * Gets what a tag points to with the client's own GET, which registries count as a pull; whoever asks for the same
 * meanwhile waits for it, and then looks the tag up with a credential of its own.
 */
export async function fetchTag(visit: Visit, other: OtherWays): Promise<void> {
  const { exchange, route, scope } = visit;
  const key = `${scope} ${route.reference} ${normaliseAccept(headerValues(exchange.request.headers, 'accept'))}`;
  let own: Fetched | undefined;
  let fetched: FetchedManifest | undefined;
  try {
    const joined = await visit.context.manifestFetches.join(key, exchange, async (signal) => {
      own = await fetchOnce(visit, signal);
      return own.manifest;
    });
    fetched = joined.fetched;
  } catch (error) {
    if (isOutageFault(error) && (await other.stale())) return undefined;
    throw error;
  }
  if (own?.manifest) return answerWith(visit, own.manifest, 'request');
  if (own && !own.manifest) {
    if (!isOutageStatus(own.status) || !(await other.stale())) return own.pass();
    return own.discard();
  }
  if (fetched && (await other.again())) return undefined;
  return fetchManifest(visit, 'request', false);
}

/**
 * Gets a manifest with the client's own GET, keeps it under the digest of its bytes, and gives it to the client as it
 * came. By digest, equal fetches for a repository are one: `mayFollow` says that this credential was let in, so that it
 * may wait for another's fetch.
 */
export async function fetchManifest(visit: Visit, outcome: CacheOutcome, mayFollow: boolean): Promise<void> {
  const { context, exchange } = visit;
  const { digest } = visit.route;
  const accept = normaliseAccept(headerValues(exchange.request.headers, 'accept'));
  const key = digest && mayFollow ? `${visit.scope} ${digest} ${accept}` : undefined;
  let own: Fetched | undefined;
  const { fetched } = await context.manifestFetches.join(key, exchange, async (signal) => {
    own = await fetchOnce(visit, signal);
    return own.manifest;
  });
  if (own) return own.manifest ? answerWith(visit, own.manifest, outcome) : own.pass();
  if (digest && fetched && (await mayStillHave(visit, digest, fetched))) return answerFollower(visit, digest, fetched);
  return fetchManifest(visit, outcome, false);
}

/**
 * Whether a follower may have what another's fetch brought, now that its body starts: the registry may have changed its
 * mind meanwhile, and a yes of another length was not for this manifest.
 */
async function mayStillHave(visit: Visit, digest: Digest, { body }: FetchedManifest): Promise<boolean> {
  const judged = await authorise(visit, digest);
  if (judged.outcome !== 'permitted') return false;
  return judged.permission.sizeBytes === undefined || judged.permission.sizeBytes === body.length;
}

/** Sends the GET. Nothing is sent to the client here, so that a slow one keeps no follower waiting. */
async function fetchOnce(visit: Visit, abandoned: AbortSignal): Promise<Fetched> {
  const { context, exchange, scope, credential, route } = visit;
  const { target } = exchange;
  if (route.digest) context.wrongBytes.check(wantedBy(visit, route.digest));
  const headers = wholeContentHeaders(exchange.request.headers, context.viaId);
  // The fetch belongs to its followers as much as to its client, who may leave; but not for ever.
  const signal = AbortSignal.any([abandoned, AbortSignal.timeout(FETCH_MS)]);
  const askedAt = context.access.now();
  const response = await visit.upstream.send({ target, method: 'GET', path: exchange.request.path, headers, signal });
  const { status } = response;
  await context.access.observe({ scope, credential, digest: route.digest, status, refusalCounts: true });
  const contentType = headerValue(response.headers, 'content-type') ?? '';
  if (status !== 200 || isEncoded(response) || !isManifestType(contentType)) {
    const reason = status === 200 ? 'not-a-manifest' : 'refused';
    return {
      manifest: undefined,
      status,
      pass: () => passOn(visit, response, reason),
      discard: () => response.discard(),
    };
  }
  const read = await readWhole(visit, response);
  if (!(read instanceof Uint8Array))
    return {
      manifest: undefined,
      status,
      pass: () => passOn(visit, read, 'manifest-too-large'),
      discard: () => read.discard(),
    };
  const digest = verified(visit, read);
  const known = context.storedManifests.add(digest, read, contentType);
  // The live answer counts at once, for the manifest and for what it lists.
  context.access.allow(scope, credential, digest, read.length, true, askedAt);
  const kept = known && keep(visit, digest, read, known.mediaType);
  const stored = kept && (await Promise.race([kept, delay(KEEP_WAIT_MS, true, { ref: false })]));
  const notStored = stored ? undefined : known ? NOT_STORED : 'not-readable';
  return { manifest: { headers: response.headers, body: read, notStored } };
}

/** Reads a manifest into memory. One that is larger than any registry takes is given as an answer to be passed on. */
async function readWhole(visit: Visit, response: UpstreamResponse): Promise<Buffer | UpstreamResponse> {
  const { context, exchange, trace } = visit;
  const pieces: Buffer[] = [];
  let size = 0;
  const rest = piecesOf(response, exchange.target.host);
  for (let next = await rest.next(); !next.done; next = await rest.next()) {
    pieces.push(next.value);
    size += next.value.length;
    if (size <= MAX_MANIFEST_BYTES) continue;
    const { status, headers } = response;
    return { status, headers, body: Readable.from(joined(pieces, rest)), discard: () => response.discard() };
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
  if (asked === undefined) return digest;
  const { wrongBytes } = visit.context;
  const wanted = wantedBy(visit, asked);
  if (digest !== asked) {
    const { host } = visit.exchange.target;
    const message = `${host} answered a request for ${asked} with other bytes (${digest})`;
    const fault = new ProxyError('digest-mismatch', message);
    wrongBytes.failed(wanted, fault);
    throw fault;
  }
  wrongBytes.worked(wanted);
  return digest;
}

/**
 * Puts the bytes on disk, and only then writes the delivery down. Gives whether that went well: a disk that fails is
 * told of by the store, and costs the client nothing. `mediaType` is the one that the bytes themselves leave no doubt about: what a registry merely says of them
 * would be told to the clients of all others.
 */
async function keep(visit: Visit, digest: Digest, body: Buffer, mediaType: string): Promise<boolean> {
  const { context, scope, exchange } = visit;
  try {
    await context.store.put(digest, body, mediaType);
  } catch {
    return false;
  }
  await context.access.delivered(scope, digest);
  await rememberTag(visit, digest);
  context.onDelivered(exchange.target);
  offerProof(visit, digest, body.length);
  return true;
}

async function answerWith(visit: Visit, fetched: FetchedManifest, outcome: CacheOutcome): Promise<void> {
  const { exchange, trace } = visit;
  const reason = outcome === 'request' ? 'tag-not-held' : 'not-held';
  const kept = fetched.notStored !== 'not-readable';
  const status = kept ? note(trace, outcome, fetched.notStored ?? reason) : note(trace, 'bypass', fetched.notStored);
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
