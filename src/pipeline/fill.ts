import type { Permission } from '../access/access.js';
import type { Flight } from '../cache/flight.js';
import { ProxyError } from '../errors.js';
import type { BodyReader } from '../http/body.js';
import type { CacheStatus } from '../http/cache-status.js';
import type { Digest } from '../oci/digest.js';
import type { UpstreamResponse } from '../upstream/contract.js';
import { sendFollowing } from '../upstream/redirects.js';
import { authorise } from './authorise.js';
import type { PermittedBy } from './decide.js';
import { FillRefused, openFill, resumeFill } from './open-fill.js';
import { forwardedHeaders } from './outgoing.js';
import { relay } from './relay.js';
import { requestedRanges, serveBody } from './serve-body.js';
import { NOT_STORED, note, type Trace } from './trace.js';
import { type Visit, wantedBy } from './visit.js';

export { isEncoded } from './open-fill.js';

/** A range that starts further than this past what has arrived is passed through instead of waited for. */
const FAR_AHEAD_BYTES = 64 * 1024 * 1024;

/** How often a follower starts over whose leader was turned away, before it passes its own request through. */
const MAX_FOLLOWED_LEADERS = 3;

/**
 * Gets a blob from upstream: joins the flight that brings it, or starts one, and sends the body as it arrives. The
 * credential was allowed before, to read so many bytes where that is known. What the registry answers instead of a body
 * goes to the client whose request it was. Throws a WrongBytesPause where the registry has sent other bytes too often.
 */
export async function fill(
  visit: Visit,
  digest: Digest,
  by: PermittedBy,
  expectedBytes: number | undefined,
): Promise<void> {
  const key = `${visit.scope} ${digest}`;
  const { flights, wrongBytes } = visit.context;
  for (let attempt = 0; attempt < MAX_FOLLOWED_LEADERS; attempt += 1) {
    if (!flights.find(key)) wrongBytes.check(wantedBy(visit, digest));
    const { flight, leader } = flights.join({
      key,
      digest,
      client: visit.exchange.client,
      mediaType: undefined,
      expectedBytes,
      open: (signal, fromBytes) => openFill(visit, digest, signal, fromBytes),
      resume: (signal, fromBytes) => resumeFill(visit, digest, signal, fromBytes),
      onVerified: async (_sizeBytes, entry) => {
        if (!entry) return;
        await visit.context.access.delivered(visit.scope, digest);
        visit.context.onDelivered(visit.exchange.target);
      },
    });
    watchBytes(visit, flight, leader);
    try {
      await flight.head;
    } catch (error) {
      if (!(error instanceof FillRefused)) throw error;
      if (!leader) continue;
      return passOn(visit, error.response, 'refused');
    }
    return leader ? follow(visit, flight, flight.reader(), undefined) : join(visit, flight, by);
  }
  return passThrough(visit, 'leaders-refused');
}

/**
 * Notes whether the registry sends what was asked for. A failure is the leader's alone: what its credential was sent is
 * none of a follower's business, or a stranger could have others held up.
 */
function watchBytes(visit: Visit, { digest, done }: Flight, leader: boolean): void {
  const { wrongBytes } = visit.context;
  const wanted = wantedBy(visit, digest);
  void done.then((outcome) => {
    if (outcome.kind !== 'failed') wrongBytes.worked(wanted);
    else if (leader && outcome.error instanceof ProxyError && outcome.error.code === 'digest-mismatch')
      wrongBytes.failed(wanted, outcome.error);
    return undefined;
  });
}

/**
 * Sends a follower what the flight brings, if it may still have it: the head may have taken its time, and the registry
 * may have changed its mind meanwhile. Where the permission has ended, the registry is asked again.
 */
async function join(visit: Visit, flight: Flight, allowedBy: PermittedBy): Promise<void> {
  const reader = flight.reader();
  try {
    const judged = await authorise(visit, flight.digest);
    if (judged.outcome === 'permitted' && isSameContent(reader.sizeBytes, judged.permission)) {
      return await follow(visit, flight, reader, judged.by === 'granted' ? allowedBy : judged.by);
    }
    reader.close();
    return await (judged.outcome === 'refused'
      ? passOn(visit, judged.response, 'refused')
      : passThrough(visit, 'not-proven'));
  } finally {
    reader.close();
  }
}

/**
 * Whether what is on its way is what the registry allowed this credential to read: a yes of another length was not for
 * it (a login page says yes to everything). Where the length is not known yet, a verified manifest has to vouch for it.
 */
function isSameContent(
  sizeBytes: number | undefined,
  permission: Pick<Permission, 'sizeBytes' | 'inherited'>,
): boolean {
  if (permission.sizeBytes === undefined) return true;
  return sizeBytes === undefined ? permission.inherited === true : sizeBytes === permission.sizeBytes;
}

/** Sends what a flight brings. `followedBy` is by what a follower may; undefined for the leader. */
async function follow(
  visit: Visit,
  flight: Flight,
  reader: BodyReader,
  followedBy: PermittedBy | undefined,
): Promise<void> {
  const { exchange, trace } = visit;
  const { digest } = flight;
  const release = isFarAhead(visit, flight, digest, reader.sizeBytes) ? flight.takeBypass() : undefined;
  if (release) {
    reader.close();
    return passThrough(visit, 'far-ahead').finally(release);
  }
  const status = followedBy === undefined ? noteMiss(trace, flight) : noteFollower(trace, flight, followedBy);
  const withdraw = followedBy && flight.offer((signal, fromBytes) => resumeFill(visit, digest, signal, fromBytes));
  try {
    await serveBody(exchange, { digest, mediaType: undefined, reader, status });
  } finally {
    withdraw?.();
  }
}

function noteMiss(trace: Trace, flight: Flight): CacheStatus {
  return note(trace, 'miss', flight.isStoring ? 'not-held' : NOT_STORED);
}

/** What is whole and verified comes from here, whether the disk has finished with it or not: a client that pulls again at once has a hit. */
function noteFollower(trace: Trace, flight: Flight, by: PermittedBy): CacheStatus {
  return flight.verified ? note(trace, 'hit', by) : note(trace, 'collapsed', 'in-flight');
}

function isFarAhead(visit: Visit, flight: Flight, digest: Digest, sizeBytes: number | undefined): boolean {
  if (sizeBytes === undefined) return false;
  const ranges = requestedRanges(visit.exchange.request.headers, digest, sizeBytes);
  if (ranges === 'whole' || ranges === 'unsatisfiable') return false;
  const firstStart = Math.min(...ranges.map((range) => range.start));
  return firstStart > flight.receivedBytes + FAR_AHEAD_BYTES;
}

/** The client's own request, range and all, redirects followed, nothing stored. */
async function passThrough(visit: Visit, reason: 'far-ahead' | 'leaders-refused' | 'not-proven'): Promise<void> {
  const { context, exchange, scope, credential, route } = visit;
  const headers = forwardedHeaders(exchange.request.headers, context.viaId);
  const { target, signal } = exchange;
  const request = { target, method: 'GET', path: exchange.request.path, headers, signal };
  const response = await sendFollowing(visit.upstream, request);
  const { status } = response;
  await context.access.observe({ scope, credential, digest: route.digest, status, refusalCounts: true });
  return passOn(visit, response, reason);
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
