import type { FactStore } from '../cache/contract.js';
import { type Digest, parseDigest } from '../oci/digest.js';
import { carriersOf } from './carriers.js';
import { type ContentSource, readHeld } from './content-source.js';
import { type FactPages, tagFacts } from './fact-pages.js';
import { formatRepository, repositoryOf } from './image-name.js';

/** Holders that are looked up; a further one is named by its digest. */
const MAX_LOOKED_UP = 50;
/** Tags of a repository that are tried for one that points above a manifest. */
const MAX_TAGS = 200;

/** Names what `Holders.holderOf` gives as people know it: `docker.io/library/alpine:3.20`. */
export function createHolderNames(
  source: ContentSource,
  facts: FactPages & Pick<FactStore, 'get'>,
  isLeaving: (tagKey: string) => boolean,
): (holder: string) => Promise<string> {
  const known = new Map<string, Promise<string>>();

  async function lookUp(digest: Digest): Promise<string> {
    const scopes = await carriersOf(facts, digest);
    for (const scope of scopes) {
      const key = await tagAbove(scope, digest);
      if (key !== undefined) return named(key);
    }
    const [scope] = scopes;
    return scope === undefined ? digest : named(`${scope}@${digest}`);
  }

  /** A tag of the scope that points to the digest, or to an index that lists it. */
  async function tagAbove(scope: string, digest: Digest): Promise<string | undefined> {
    let tried = 0;
    for await (const fact of tagFacts(facts, `${scope}:`)) {
      if (isLeaving(fact.key)) continue;
      if (fact.digest === digest) return fact.key;
      const entry = await source.describe(fact.digest);
      const index = entry && (await readHeld(source, entry));
      if (index?.descriptors.some((part) => part.digest === digest) === true) return fact.key;
      tried += 1;
      if (tried >= MAX_TAGS) break;
    }
    return undefined;
  }

  return (holder) => {
    const digest = parseDigest(holder);
    if (digest === undefined) return Promise.resolve(named(holder));
    const before = known.get(holder);
    if (before !== undefined) return before;
    const found = known.size < MAX_LOOKED_UP ? lookUp(digest) : Promise.resolve<string>(digest);
    if (known.size < MAX_LOOKED_UP) known.set(holder, found);
    return found;
  };
}

/** `docker.io library/alpine:3.20` as people write it. */
function named(key: string): string {
  const name = repositoryOf(key);
  return name === undefined ? key : formatRepository(name);
}
