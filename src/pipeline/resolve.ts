import { type FaultCode, ProxyError } from '../errors.js';
import type { RawHeaders } from '../http/exchange.js';
import { headerValue } from '../http/headers.js';
import { type Digest, parseDigest } from '../oci/digest.js';
import { askHead, yesOf } from './authorise.js';
import { fetchManifest } from './fetch-manifest.js';
import { findContent } from './find-content.js';
import { offerProof } from './offer-proof.js';
import { serve } from './serve.js';
import { recallTag, rememberTag } from './tag-memory.js';
import type { Visit } from './visit.js';

const UNREACHABLE: ReadonlySet<FaultCode> = new Set([
  'upstream-dns',
  'upstream-connect',
  'upstream-tls',
  'upstream-timeout',
  'egress-refused',
]);

/** What a registry says about its limits goes to the client with an answer from disk, too. */
const RELAYED_WITH_HIT = new Set(['ratelimit-limit', 'ratelimit-remaining', 'docker-ratelimit-source', 'warning']);

/**
 * Answers a GET by tag. The tag is resolved upstream each time, with the client's own headers, by a HEAD where the bytes
 * are likely at hand (a HEAD is free under Docker Hub's limit, a GET is a pull). In every other case, a refused HEAD
 * included, the client's own GET goes up, so that it sees the registry's own answer.
 */
export async function resolveTag(visit: Visit): Promise<void> {
  const last = await recallTag(visit);
  const held = last !== undefined && (await visit.context.store.lookup(last)) !== undefined;
  if (held && (await serveResolved(visit))) return;
  await fetchManifest(visit, 'request', false);
}

async function serveResolved(visit: Visit): Promise<boolean> {
  const { context, scope, credential } = visit;
  const answer = await askHead(visit).catch(unlessUnreachable);
  if (!answer) return false;
  const digest = resolvedDigest(answer.headers);
  const sizeBytes = digest && yesOf(answer, digest);
  if (digest === undefined || sizeBytes === undefined) return false;
  context.access.allow(scope, credential, digest, sizeBytes, true, answer.askedAt);
  await rememberTag(visit, digest);
  const entry = await findContent(visit, digest, { sizeBytes });
  if (!entry) return false;
  offerProof(visit, digest, sizeBytes);
  const extra = relayedWithHit(answer.headers);
  return serve(visit, entry, 'resolved', extra);
}

/** A HEAD that was cut off may be one that the upstream does not like; an upstream that cannot be reached need not be asked twice. */
function unlessUnreachable(error: unknown): undefined {
  if (error instanceof ProxyError && UNREACHABLE.has(error.code)) throw error;
}

function resolvedDigest(headers: RawHeaders): Digest | undefined {
  return parseDigest(headerValue(headers, 'docker-content-digest') ?? '');
}

function relayedWithHit(headers: RawHeaders): RawHeaders {
  return headers.filter((_, i) => RELAYED_WITH_HIT.has((headers[i - (i % 2)] as string).toLowerCase()));
}
