import { type FaultCode, ProxyError } from '../errors.js';
import type { RawHeaders } from '../http/exchange.js';
import { headerValue } from '../http/headers.js';
import { type Digest, parseDigest } from '../oci/digest.js';
import { isOutageFault, isOutageStatus } from '../upstream/registry-health.js';
import { askHead, yesOf } from './authorise.js';
import { fetchTag } from './fetch-manifest.js';
import { findContent } from './find-content.js';
import type { HeadAnswer } from './heads.js';
import { offerProof } from './offer-proof.js';
import { hear } from './outage.js';
import { serve } from './serve.js';
import { answerHead, findStale, serveStale } from './stale.js';
import { freshTag, recallTag, rememberTag } from './tag-memory.js';
import type { Visit } from './visit.js';

const UNREACHABLE: ReadonlySet<FaultCode> = new Set([
  'offline',
  'upstream-dns',
  'upstream-connect',
  'upstream-tls',
  'upstream-timeout',
  'upstream-parent',
  'egress-refused',
]);

/** What a registry says about its limits goes to the client with an answer from disk, too. */
const RELAYED_WITH_HIT = new Set(['ratelimit-limit', 'ratelimit-remaining', 'docker-ratelimit-source', 'warning']);

/**
 * Answers a GET by tag. The tag is resolved upstream each time, with the client's own headers, by a HEAD where the bytes
 * are likely at hand (a HEAD is free under Docker Hub's limit, a GET is a pull). In every other case, a refused HEAD
 * included, the client's own GET goes up, so that it sees the registry's own answer. Where the registry cannot answer,
 * the digest that the tag had last is given, to whom it may be.
 */
export async function resolveTag(visit: Visit): Promise<void> {
  if (await serveFresh(visit)) return undefined;
  const last = await recallTag(visit);
  const held = last !== undefined && (await visit.context.store.lookup(last)) !== undefined;
  const way = held ? await serveResolved(visit, last) : 'unasked';
  if (way === 'answered') return undefined;
  return fetchTag(visit, {
    again: async () => (await serveResolved(visit, undefined)) === 'answered',
    // What the registry has just said that the tag is no more, or is not for this client, is not given.
    stale: async () => way === 'unasked' && giveStale(visit, last),
  });
}

/** Answers GET or HEAD by what the tag was a moment ago (`--tag-ttl`), to whom the registry need not be asked about. */
export async function serveFresh(visit: Visit): Promise<boolean> {
  const { context, exchange, scope, credential } = visit;
  const digest = freshTag(visit);
  if (digest === undefined) return false;
  const permission = await context.access.permission(scope, credential, digest);
  const entry = permission && (await findContent(visit, digest, permission));
  if (!entry) return false;
  if (exchange.request.method !== 'HEAD') return serve(visit, entry, permission.by);
  await answerHead(visit, entry, 'hit', permission.by);
  return true;
}

async function giveStale(visit: Visit, digest: Digest | undefined): Promise<boolean> {
  const stale = await findStale(visit, digest);
  return stale !== undefined && serveStale(visit, stale);
}

/**
 * `answered`: the client has its answer. `resolved`: the registry has said where the tag points. `refused`: it has said
 * no. `unasked`: it has said nothing.
 */
type Resolved = 'answered' | 'resolved' | 'refused' | 'unasked';

async function serveResolved(visit: Visit, last: Digest | undefined): Promise<Resolved> {
  const { target } = visit.exchange;
  const heard = await hear({
    context: visit.context,
    target,
    anonymous: visit.credential.anonymous,
    ask: () => askHead(visit),
    instead: () => findStale(visit, last),
    // Some registries fail at HEADs only: a GET will tell.
    isOutage: (status) => status !== 500 && isOutageStatus(status),
    isOutageFault: (error) => isUnreachable(error) && isOutageFault(error),
  }).catch(unlessUnreachable);
  if (!heard) return 'unasked';
  if ('instead' in heard) return (await serveStale(visit, heard.instead)) ? 'answered' : 'unasked';
  const served = await serveAnswered(visit, heard.answer);
  if (served !== undefined || heard.answer.stranger !== true || visit.stranger) return served ?? 'unasked';
  return (await serveAnswered(visit, await askHead(visit, true))) ?? 'unasked';
}

/** Undefined where the answer tells no digest that may be believed. */
async function serveAnswered(visit: Visit, answer: HeadAnswer): Promise<Resolved | undefined> {
  const { context, scope, credential } = visit;
  if (answer.status === 401 || answer.status === 403 || answer.status === 404) return 'refused';
  const digest = resolvedDigest(answer.headers);
  const sizeBytes = digest && yesOf(answer, digest);
  if (digest === undefined || sizeBytes === undefined) return undefined;
  // What a stranger was told is no word to this credential; what is public now, it may have all the same.
  if (answer.stranger === true && !(await context.access.isPublic(scope, digest))) return undefined;
  if (answer.stranger !== true) context.access.allow(scope, credential, digest, sizeBytes, true, answer.askedAt);
  await rememberTag(visit, digest);
  const entry = await findContent(visit, digest, { sizeBytes });
  if (!entry) return 'resolved';
  offerProof(visit, digest, sizeBytes);
  const by = answer.stranger === true ? 'public' : 'resolved';
  return (await serve(visit, entry, by, relayedWithHit(answer.headers))) ? 'answered' : 'resolved';
}

/** A HEAD that was cut off may be one that the upstream does not like; an upstream that cannot be reached need not be asked twice. */
function unlessUnreachable(error: unknown): undefined {
  if (isUnreachable(error)) throw error;
}

function isUnreachable(error: unknown): boolean {
  return error instanceof ProxyError && UNREACHABLE.has(error.code);
}

function resolvedDigest(headers: RawHeaders): Digest | undefined {
  return parseDigest(headerValue(headers, 'docker-content-digest') ?? '');
}

function relayedWithHit(headers: RawHeaders): RawHeaders {
  return headers.filter((_, i) => RELAYED_WITH_HIT.has((headers[i - (i % 2)] as string).toLowerCase()));
}
