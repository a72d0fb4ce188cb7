import { setTimeout as delay } from 'node:timers/promises';
import type { Permission } from '../access/access.js';
import type { RawHeaders } from '../http/exchange.js';
import { headerValue, headerValues } from '../http/headers.js';
import { type Digest, parseDigest } from '../oci/digest.js';
import { bareMediaType, normaliseAccept } from '../oci/media-types.js';
import type { UpstreamResponse } from '../upstream/contract.js';
import { sendFollowing } from '../upstream/redirects.js';
import { announcedLength } from './ask-upstream.js';
import type { PermittedBy } from './decide.js';
import type { HeadAnswer } from './heads.js';
import { wholeContentHeaders } from './outgoing.js';
import { recallTag } from './tag-memory.js';
import type { Visit } from './visit.js';

/** What came of asking whether a credential may read a digest. */
export type Authorisation =
  | {
      readonly outcome: 'permitted';
      readonly status: 200;
      readonly by: PermittedBy;
      readonly permission: Pick<Permission, 'sizeBytes' | 'inherited'>;
    }
  /** The registry did not say yes to our question; its answer to the client's own request will be the last word. */
  | { readonly outcome: 'unproven'; readonly status: number }
  /** The registry's answer to a GET in the client's name, which is the client's answer. */
  | { readonly outcome: 'refused'; readonly status: number; readonly response: UpstreamResponse };

/**
 * May this credential read this digest here? Grants and public proofs answer at once; otherwise the registry is asked,
 * with the client's own headers: by HEAD, and for a blob whose HEAD is refused by a GET of its first byte, redirects
 * followed (a redirect alone proves nothing). The store is not looked at here.
 */
export async function authorise(visit: Visit, digest: Digest): Promise<Authorisation> {
  return (await knownPermission(visit, digest)) ?? askWhether(visit, digest);
}

/** What is known without asking. */
export async function knownPermission(visit: Visit, digest: Digest): Promise<Authorisation | undefined> {
  const { context, scope, credential } = visit;
  const known = await context.access.permission(scope, credential, digest);
  return known && { outcome: 'permitted', status: 200, by: known.by, permission: known };
}

/** What the registry says. */
export async function askWhether(visit: Visit, digest: Digest): Promise<Authorisation> {
  const answer = await askHead(visit);
  const sizeBytes = yesOf(answer, digest);
  if (sizeBytes !== undefined) return permit(visit, digest, sizeBytes, answer.askedAt);
  if (visit.route.kind === 'blob' && !visit.stranger) return askFirstByte(visit, digest);
  return { outcome: 'unproven', status: answer.status };
}

/**
 * Sends the client's request as a HEAD; equal ones at the same time are one. Grants and refusals are taken note of. Where
 * another credential's question for the same is on its way and the answer is likely to be public, it is asked once in
 * nobody's name for all of them, unless `alone`.
 */
export async function askHead(visit: Visit, alone = false): Promise<HeadAnswer> {
  const { context, exchange, route, scope, credential, upstream } = visit;
  if (visit.stranger) return askAsStranger(visit);
  const { headers, path } = exchange.request;
  const group = groupOf(visit);
  const key = `${group}\n${credential.id}`;
  const crowded = !alone && !context.heads.isRunning(key) && context.heads.isAsking(group);
  if (crowded && (await isLikelyPublic(visit))) {
    const shared = await askAsStranger(visit).catch(() => undefined);
    if (shared?.status === 200) return shared;
  }
  const answer = await context.heads.ask(
    key,
    async () => {
      const outgoing = wholeContentHeaders(headers, context.viaId);
      const askedAt = context.access.now();
      const response = await upstream.send({ target: exchange.target, method: 'HEAD', path, headers: outgoing });
      response.discard();
      return { status: response.status, headers: response.headers, askedAt };
    },
    group,
  );
  const refusalCounts = route.kind === 'manifest';
  await context.access.observe({ scope, credential, digest: route.digest, status: answer.status, refusalCounts });
  return answer;
}

/** What makes two questions the same, but for the credential. */
function groupOf({ scope, route, exchange }: Visit): string {
  return [scope, route.kind, route.reference, acceptOf(exchange.request.headers)].join('\n');
}

function acceptOf(headers: RawHeaders): string {
  return normaliseAccept(headerValues(headers, 'accept'));
}

async function isLikelyPublic(visit: Visit): Promise<boolean> {
  const { context, route, scope, credential } = visit;
  if (credential.anonymous || route.kind !== 'manifest' || route.namespace !== undefined) return false;
  const digest = route.digest ?? (await recallTag(visit));
  return digest !== undefined && (await context.access.isPublic(scope, digest));
}

/** The same question in nobody's name. Its yes makes a manifest that is held public; its no is told to nobody else. */
async function askAsStranger(visit: Visit): Promise<HeadAnswer> {
  const { context, exchange, route, scope } = visit;
  const provenAt = context.access.publicNow();
  return context.heads.ask(`${groupOf(visit)}\nnobody`, async () => {
    const accept = acceptOf(exchange.request.headers) || '*/*';
    const { path } = exchange.request;
    const askedAt = context.access.now();
    const { status, headers } = await context.stranger.head(exchange.target, route.repository, path, accept);
    const answer: HeadAnswer = { status, headers, askedAt, stranger: true };
    if (isRefusal(status) && (await hidesRepository(visit, status))) await context.access.hidePublic(scope);
    const digest = route.digest ?? parseDigest(headerValue(headers, 'docker-content-digest') ?? '');
    const sizeBytes = digest && yesOf(answer, digest);
    if (digest === undefined || sizeBytes === undefined || route.kind !== 'manifest') return answer;
    const entry = await context.store.lookup(digest);
    if (entry?.sizeBytes === sizeBytes) await context.access.provePublic(scope, digest, provenAt);
    return answer;
  });
}

/**
 * Whether a refusal to a stranger says that the repository is not public any more. A 404 for what never was public here
 * says nothing of the rest, or anybody could take the proofs of a repository away by asking for what they made up; one for
 * a tag may mean the tag alone.
 */
async function hidesRepository(visit: Visit, status: number): Promise<boolean> {
  const { context, route, scope, exchange } = visit;
  if (route.kind !== 'manifest') return false;
  if (status !== 404) return true;
  const known = route.digest ?? (await recallTag(visit));
  if (known === undefined || !(await context.access.wasPublic(scope, known))) return false;
  if (route.digest !== undefined || route.namespace !== undefined) return true;
  const path = `/v2/${route.repository}/manifests/${known}`;
  const answer = await context.stranger.head(exchange.target, route.repository, path, '*/*').catch(() => undefined);
  return answer !== undefined && isRefusal(answer.status);
}

function isRefusal(status: number): boolean {
  return status === 401 || status === 403 || status === 404;
}

/** How long it is worth waiting for what a stranger would be told, where there is an answer without. */
const STRANGER_MS = 2000;

/** Whether the registry refuses this to strangers now, as far as it can be asked. Never rejects. */
export async function isRefusedToStrangers(visit: Visit): Promise<boolean> {
  const answer = await Promise.race([
    askAsStranger(visit).catch(() => undefined),
    delay(STRANGER_MS, undefined, { ref: false }),
  ]);
  return answer !== undefined && isRefusal(answer.status);
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
  return { outcome: 'permitted', status: 200, by: 'probed', permission: { sizeBytes } };
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
  const { status } = response;
  if (status >= 400 && status !== 416) return { outcome: 'refused', status, response };
  response.discard();
  return { outcome: 'unproven', status };
}

/** The whole length that a 206 for the first byte gives (RFC 9110 section 14.4). */
function totalOf(status: number, headers: RawHeaders): number | undefined {
  const total = /^bytes 0-0\/(\d+)$/.exec(headerValue(headers, 'content-range') ?? '')?.[1];
  return status === 206 && total !== undefined ? Number(total) : undefined;
}
