import type { Permission } from '../access/access.js';
import type { Entry } from '../cache/contract.js';
import type { Digest } from '../oci/digest.js';
import { BLOB_MEDIA_TYPE } from '../oci/media-types.js';
import { isRefusedToStrangers } from './authorise.js';
import { findContent } from './find-content.js';
import { serve } from './serve.js';
import { digestHeaders } from './serve-body.js';
import { note } from './trace.js';
import type { Visit } from './visit.js';

/** Stored content that may be given although the registry cannot be asked. */
export interface Stale {
  readonly entry: Entry;
  readonly by: Permission['by'];
}

/** What clients are told with it (RFC 7234 section 5.5). */
const WARNING = ['Warning', '299 entrepot "the registry cannot be asked; this is what it last said"'];

/**
 * What may be given for a digest without asking the registry: it is public, or was granted to this very credential a
 * moment ago; and this repository delivered it. Undefined where there is nothing, and with `--outage fail`.
 */
export async function findStale(visit: Visit, digest: Digest | undefined): Promise<Stale | undefined> {
  const { context, scope, credential } = visit;
  if (context.outage === 'fail' || digest === undefined) return undefined;
  const permission = await context.access.stalePermission(scope, credential, digest);
  if (!permission) return undefined;
  if (permission.by === 'public' && (await isOver(visit, digest))) return undefined;
  const entry = await findContent(visit, digest, permission, () => context.access.wasDelivered(scope, digest));
  return entry && { entry, by: permission.by };
}

/**
 * Whether an old proof has lost its worth. A registry that is there and only holds this client back (429), or is slow to
 * it, can still say what it shows to strangers; otherwise a client that exceeds its limits could read what is hidden by now.
 */
async function isOver(visit: Visit, digest: Digest): Promise<boolean> {
  const { context, scope, exchange } = visit;
  if (context.health.isAway(exchange.target, true) || (await context.access.isPublic(scope, digest))) return false;
  return isRefusedToStrangers(visit);
}

/** Answers GET or HEAD with what `findStale` found. Gives false, with nothing sent, where it turns out to be damaged. */
export async function serveStale(visit: Visit, { entry, by }: Stale): Promise<boolean> {
  if (visit.exchange.request.method !== 'HEAD') return serve(visit, entry, by, WARNING, 'stale');
  await answerHead(visit, entry, 'stale', by, WARNING);
  return true;
}

/** Answers a HEAD from the store. */
export async function answerHead(
  { exchange, trace, route }: Visit,
  entry: Entry,
  outcome: 'hit' | 'stale',
  by: Permission['by'],
  extra: readonly string[] = [],
): Promise<void> {
  const mediaType = (route.kind === 'manifest' ? entry.mediaType : undefined) ?? BLOB_MEDIA_TYPE;
  const headers = digestHeaders({ digest: entry.digest, extra, status: note(trace, outcome, by) });
  const { sizeBytes } = entry;
  exchange.reply.head(200, [...headers, 'Content-Type', mediaType, 'Content-Length', String(sizeBytes)]);
  await exchange.reply.end();
}
