import { ConfigError } from '../errors.js';
import type { Digest } from '../oci/digest.js';
import type { ContentSource } from './content-source.js';
import type { ImagePage, ImageQuery, ImageSummary } from './contract.js';
import { type FactPages, linkedScopes, tagFacts } from './fact-pages.js';
import { type ImageName, parseRegistry, parseRepository, repositoryOf, scopeOf } from './image-name.js';
import { summarise } from './image-summary.js';
import { untaggedRoots } from './untagged.js';

/** What one page may look at, found or not, so that no page takes long. */
const MAX_TAGS = 1_000;
const MAX_SCOPES = 50;
const MAX_CURSOR_LENGTH = 4_000;

/** Where a page begins: behind a tag's key, or behind an untagged image of a scope. Tags come first. */
type Place = { readonly phase: 'tagged'; readonly after?: string } | Untagged;

interface Untagged {
  readonly phase: 'untagged';
  readonly scope: string;
  /** What the last page ended with. */
  readonly digest: string;
}

/** Behind every digest of a scope. */
const BEHIND_DIGESTS = '~';

interface Listing {
  readonly source: ContentSource;
  readonly facts: FactPages;
  readonly limit: number;
  /** Only this scope, or those that begin with this. */
  readonly scope: string | undefined;
  readonly prefix: string;
  readonly images: ImageSummary[];
}

/**
 * Images whose manifest is held: tagged ones in the order of registry, repository and tag, then those that no tag
 * points to. Pages are bounded in work, so that one may hold fewer than `limit`, even none, and have a next one.
 * @throws ConfigError for a filter or cursor that is none
 */
export async function listImages(source: ContentSource, facts: FactPages, query: ImageQuery): Promise<ImagePage> {
  const { repository, registry, limit } = query;
  if (repository !== undefined && registry !== undefined)
    throw new ConfigError(['registry and repository exclude each other.']);
  const scope = repository === undefined ? undefined : scopeOf(parseRepository(repository));
  const prefix = scope ?? (registry === undefined ? '' : `${parseRegistry(registry)} `);
  const listing: Listing = { source, facts, limit, scope, prefix, images: [] };
  const place = query.cursor === undefined ? ({ phase: 'tagged' } as const) : readCursor(query.cursor);
  const next =
    (place.phase === 'tagged' ? await addTagged(listing, place.after) : undefined) ??
    (await addUntagged(listing, place.phase === 'untagged' ? place : undefined));
  return { images: listing.images, ...(next === undefined ? {} : { next: writeCursor(next) }) };
}

/** Gives the place of the next page, where this one is full. */
async function addTagged(listing: Listing, after: string | undefined): Promise<Place | undefined> {
  const { facts, scope, prefix, limit, images } = listing;
  let looked = 0;
  for await (const fact of tagFacts(facts, scope === undefined ? prefix : `${scope}:`, after)) {
    if (scope !== undefined && fact.scope !== scope) continue;
    await add(listing, fact.scope, { tag: fact.tag }, fact.digest);
    looked += 1;
    if (images.length >= limit || looked >= MAX_TAGS) return { phase: 'tagged', after: fact.key };
  }
  return undefined;
}

async function addUntagged(listing: Listing, begin: Untagged | undefined): Promise<Place | undefined> {
  const { source, facts, limit, images } = listing;
  let looked = 0;
  for await (const scope of scopesOf(listing, begin)) {
    let last = scope === begin?.scope ? begin.digest : '';
    for (const digest of await untaggedRoots(source, facts, scope)) {
      if (digest <= last) continue;
      if (images.length >= limit) return { phase: 'untagged', scope, digest: last };
      await add(listing, scope, { digest }, digest);
      last = digest;
    }
    looked += 1;
    if (looked >= MAX_SCOPES || images.length >= limit) return { phase: 'untagged', scope, digest: BEHIND_DIGESTS };
  }
  return undefined;
}

async function* scopesOf({ facts, scope, prefix }: Listing, begin: Untagged | undefined): AsyncGenerator<string> {
  const isBegun = begin !== undefined && begin.digest !== BEHIND_DIGESTS;
  if (scope !== undefined) {
    if (begin === undefined || isBegun) yield scope;
    return;
  }
  if (isBegun) yield begin.scope;
  yield* linkedScopes(facts, prefix, begin?.scope);
}

async function add(
  { source, images }: Listing,
  scope: string,
  what: Pick<ImageName, 'tag' | 'digest'>,
  digest: Digest,
): Promise<void> {
  const repository = repositoryOf(scope);
  const image = repository && (await summarise(source, { ...repository, ...what }, digest));
  if (image !== undefined) images.push(image.summary);
}

function writeCursor(place: Place): string {
  return Buffer.from(JSON.stringify(place)).toString('base64url');
}

/** @throws ConfigError where the text is no cursor of this listing */
function readCursor(text: string): Place {
  const place = text.length > MAX_CURSOR_LENGTH ? undefined : parsePlace(text);
  if (place === undefined) throw new ConfigError(['cursor is not one that a page of this listing gave as next.']);
  return place;
}

function parsePlace(text: string): Place | undefined {
  try {
    const { phase, after, scope, digest } = JSON.parse(Buffer.from(text, 'base64url').toString()) as Record<
      string,
      unknown
    >;
    if (phase === 'tagged' && typeof after === 'string') return { phase, after };
    const isUntagged = phase === 'untagged' && typeof scope === 'string' && typeof digest === 'string';
    return isUntagged ? { phase, scope, digest } : undefined;
  } catch {
    return undefined;
  }
}
