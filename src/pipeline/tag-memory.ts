import { type Digest, parseDigest } from '../oci/digest.js';
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

/** The digest that the tag had at its last answer. */
export async function recallTag(visit: Visit): Promise<Digest | undefined> {
  const row = await visit.context.facts.get<TagRow>('tag', tagKey(visit));
  return row && parseDigest(row.digest);
}

/** Remembers a tag's digest after a live answer; does nothing for a route that names a digest. */
export async function rememberTag(visit: Visit, digest: Digest): Promise<void> {
  if (visit.route.digest !== undefined || (await recallTag(visit)) === digest) return;
  await visit.context.facts.set('tag', tagKey(visit), { digest, at: Date.now() } satisfies TagRow);
}
