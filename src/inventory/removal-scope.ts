import type { FactStore } from '../cache/contract.js';
import { ConfigError } from '../errors.js';
import { type Digest, parseDigest } from '../oci/digest.js';
import type { ContentSource } from './content-source.js';
import type { Selection } from './contract.js';
import { type FactPages, type LinkFact, linkFacts, type TagFact, tagFacts } from './fact-pages.js';
import { type ImageName, parseImage, parseRegistry, parseRepository, scopeOf } from './image-name.js';

/** What an image, a repository or a registry comes to in facts. */
export interface RemovalScope {
  /** Whether the images of this scope are among those to be removed; for a single image, its own scope. */
  holds(scope: string): boolean;
  /** Whether only one of the scope's images is meant. */
  readonly isOneImage: boolean;
  /** Whether a tag, by the key of its row, is among those that are to be forgotten. */
  isLeaving(key: string): boolean;
  /** The tags that are to be forgotten. */
  tags(): AsyncIterable<TagFact>;
  /** What is to be removed, each with all below it. */
  roots(): AsyncIterable<Digest>;
}

/** Gives undefined where nothing is known of what is named. @throws ConfigError for names that are none */
export async function scopeOfRemoval(
  source: ContentSource,
  facts: FactPages & Pick<FactStore, 'get'>,
  { image, repository, registry }: Selection,
): Promise<RemovalScope | undefined> {
  if (image !== undefined) return oneImage(source, facts, parseImage(image));
  if (repository !== undefined) {
    const scope = scopeOf(parseRepository(repository));
    return allOf(facts, (other) => other === scope, `${scope}:`, `${scope} `);
  }
  if (registry === undefined) throw new ConfigError(['An image, a repository or a registry is needed.']);
  const prefix = `${parseRegistry(registry)} `;
  return allOf(facts, (other) => other.startsWith(prefix), prefix, prefix);
}

async function oneImage(
  source: ContentSource,
  facts: FactPages & Pick<FactStore, 'get'>,
  name: ImageName,
): Promise<RemovalScope | undefined> {
  const scope = scopeOf(name);
  const digest = name.digest ?? (await taggedDigest(facts, scope, name.tag ?? ''));
  if (digest === undefined) return undefined;
  const isLinked = (await facts.get('link', `${scope} ${digest}`)) !== undefined;
  if (name.tag === undefined && !(isLinked && (await source.describe(digest)) !== undefined)) return undefined;
  const { tag } = name;
  return {
    holds: (other) => other === scope,
    isOneImage: true,
    isLeaving: (key) => tag !== undefined && key === `${scope}:${tag}`,
    tags: () => (tag === undefined ? listed<TagFact>() : listed({ key: `${scope}:${tag}`, scope, tag, digest })),
    roots: () => listed(digest),
  };
}

async function allOf(
  facts: FactPages,
  holds: (scope: string) => boolean,
  tagPrefix: string,
  linkPrefix: string,
): Promise<RemovalScope | undefined> {
  async function* tags(): AsyncGenerator<TagFact> {
    for await (const fact of tagFacts(facts, tagPrefix)) if (holds(fact.scope)) yield fact;
  }
  async function* roots(): AsyncGenerator<Digest> {
    for await (const { digest } of linkFacts(facts, linkPrefix)) yield digest;
    // Public content may have come by another repository, and have no link here.
    for await (const { digest } of tags()) yield digest;
  }
  const isKnown = (await first<LinkFact>(linkFacts(facts, linkPrefix))) ?? (await first<TagFact>(tags()));
  const isLeaving = (key: string): boolean => holds(key.slice(0, key.lastIndexOf(':')));
  return isKnown && { holds, isOneImage: false, isLeaving, tags, roots };
}

/** Where a tag last pointed. */
export async function taggedDigest(
  facts: Pick<FactStore, 'get'>,
  scope: string,
  tag: string,
): Promise<Digest | undefined> {
  const row = await facts.get<{ readonly digest?: unknown }>('tag', `${scope}:${tag}`);
  return parseDigest(String(row?.digest));
}

async function first<T>(items: AsyncIterable<T>): Promise<T | undefined> {
  for await (const item of items) return item;
  return undefined;
}

async function* listed<T>(...items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}
