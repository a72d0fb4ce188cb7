import { headerValues } from '../http/headers.js';
import { type Digest, parseDigest } from '../oci/digest.js';
import { normaliseAccept } from '../oci/media-types.js';
import type { Visit } from './visit.js';

/**
 * Where a tag last pointed, for whichever client: what one kind of client has pulled, the next kind finds. It is a hint
 * for the next pull and never an answer.
 */
interface TagRow {
  readonly digest: string;
  readonly at: number;
}

function tagKey(visit: Visit): string {
  return `${visit.scope}:${visit.route.reference}`;
}

/** A tag that is looked up is written down again after this long: one that nobody looks up for 90 days is forgotten. */
const WRITE_AGAIN_MS = 7 * 86_400_000;

/** The digest that the tag had at its last answer. */
export async function recallTag(visit: Visit): Promise<Digest | undefined> {
  const row = await recallRow(visit);
  return row && parseDigest(row.digest);
}

function recallRow(visit: Visit): Promise<TagRow | undefined> {
  return visit.context.facts.get<TagRow>('tag', tagKey(visit));
}

/** Remembers a tag's digest after a live answer; does nothing for a route that names a digest. */
export async function rememberTag(visit: Visit, digest: Digest): Promise<void> {
  if (visit.route.digest !== undefined) return;
  visit.context.tagTimes?.note(timesKey(visit), digest);
  const row = await recallRow(visit);
  if (row?.digest === digest && Date.now() - row.at < WRITE_AGAIN_MS) return;
  await visit.context.facts.set('tag', tagKey(visit), { digest, at: Date.now() } satisfies TagRow);
}

/** What the tag was a moment ago for clients that take the same types; undefined without `--tag-ttl`. */
export function freshTag(visit: Visit): Digest | undefined {
  return visit.route.digest === undefined ? visit.context.tagTimes?.fresh(timesKey(visit)) : undefined;
}

/** A registry may point a tag elsewhere for clients that take other types. */
function timesKey(visit: Visit): string {
  return `${tagKey(visit)}\n${normaliseAccept(headerValues(visit.exchange.request.headers, 'accept'))}`;
}
