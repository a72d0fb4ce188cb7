import type { Permission } from '../access/access.js';
import type { RawHeaders } from '../http/exchange.js';
import { headerValue, headerValues } from '../http/headers.js';
import type { Digest } from '../oci/digest.js';
import { bareMediaType, normaliseAccept } from '../oci/media-types.js';
import type { UpstreamResponse } from '../upstream/contract.js';
import { sendFollowing } from '../upstream/redirects.js';
import { announcedLength } from './ask-upstream.js';
import type { PermittedBy } from './decide.js';
import type { HeadAnswer } from './heads.js';
import { wholeContentHeaders } from './outgoing.js';
import type { Visit } from './visit.js';

/** What came of asking whether a credential may read a digest. */
export type Authorisation =
  | {
      readonly outcome: 'permitted';
      readonly by: PermittedBy;
      readonly permission: Pick<Permission, 'sizeBytes' | 'inherited'>;
    }
  /** The registry did not say yes to our question; its answer to the client's own request will be the last word. */
  | { readonly outcome: 'unproven' }
  /** The registry's answer to a GET in the client's name, which is the client's answer. */
  | { readonly outcome: 'refused'; readonly response: UpstreamResponse };

/**
 * May this credential read this digest here? Grants and public proofs answer at once; otherwise the registry is asked,
 * with the client's own headers: by HEAD, and for a blob whose HEAD is refused by a GET of its first byte, redirects
 * followed (a redirect alone proves nothing). The store is not looked at here.
 */
export async function authorise(visit: Visit, digest: Digest): Promise<Authorisation> {
  const { context, scope, credential } = visit;
  const known = await context.access.permission(scope, credential, digest);
  if (known) return { outcome: 'permitted', by: known.by, permission: known };
  const answer = await askHead(visit);
  const sizeBytes = yesOf(answer, digest);
  if (sizeBytes !== undefined) return permit(visit, digest, sizeBytes, answer.askedAt);
  return visit.route.kind === 'blob' ? askFirstByte(visit, digest) : { outcome: 'unproven' };
}

/** Sends the client's request as a HEAD; equal ones at the same time are one. Grants and refusals are taken note of. */
export async function askHead(visit: Visit): Promise<HeadAnswer> {
  const { context, exchange, route, scope, credential, upstream } = visit;
  const { headers, path } = exchange.request;
  const accept = normaliseAccept(headerValues(headers, 'accept'));
  const key = [scope, route.kind, route.reference, credential.id, accept].join('\n');
  const answer = await context.heads.ask(key, async () => {
    const outgoing = wholeContentHeaders(headers, context.viaId);
    const askedAt = context.access.now();
    const response = await upstream.send({ target: exchange.target, method: 'HEAD', path, headers: outgoing });
    response.discard();
    return { status: response.status, headers: response.headers, askedAt };
  });
  const refusalCounts = route.kind === 'manifest';
  await context.access.observe({ scope, credential, digest: route.digest, status: answer.status, refusalCounts });
  return answer;
}

/** The length that a HEAD's yes gives for this digest; undefined where it is no yes that counts. */
export function yesOf(answer: HeadAnswer, digest: Digest): number | undefined {
  if (answer.status !== 200 || isPage(answer.headers)) return undefined;
  const claimed = headerValue(answer.headers, 'docker-content-digest');
  if (claimed !== undefined && claimed !== digest) return undefined;
  return announcedLength(answer);
}

/** A page for people, such as a login or a captive portal, is no content of a registry, whatever its length (threats W3). */
function isPage(headers: RawHeaders): boolean {
  const type = bareMediaType(headerValue(headers, 'content-type') ?? '');
  return type === 'text/html' || type === 'application/xhtml+xml';
}

function permit(visit: Visit, digest: Digest, sizeBytes: number, askedAt: number | undefined): Authorisation {
  const { context, scope, credential, route } = visit;
  context.access.allow(scope, credential, digest, sizeBytes, route.kind === 'manifest', askedAt);
  return { outcome: 'permitted', by: 'probed', permission: { sizeBytes } };
}

async function askFirstByte(visit: Visit, digest: Digest): Promise<Authorisation> {
  const { context, exchange, scope, credential } = visit;
  const headers = [...wholeContentHeaders(exchange.request.headers, context.viaId), 'Range', 'bytes=0-0'];
  const { target, signal } = exchange;
  const path = exchange.request.path;
  const askedAt = context.access.now();
  const response = await sendFollowing(visit.upstream, { target, method: 'GET', path, headers, signal });
  await context.access.observe({ scope, credential, digest, status: response.status, refusalCounts: true });
  const sizeBytes = response.status === 200 ? announcedLength(response) : totalOf(response.status, response.headers);
  if (sizeBytes !== undefined && !isPage(response.headers)) {
    response.discard();
    return permit(visit, digest, sizeBytes, askedAt);
  }
  if (response.status >= 400 && response.status !== 416) return { outcome: 'refused', response };
  response.discard();
  return { outcome: 'unproven' };
}

/** The whole length that a 206 for the first byte gives (RFC 9110 section 14.4). */
function totalOf(status: number, headers: RawHeaders): number | undefined {
  const total = /^bytes 0-0\/(\d+)$/.exec(headerValue(headers, 'content-range') ?? '')?.[1];
  return status === 206 && total !== undefined ? Number(total) : undefined;
}
