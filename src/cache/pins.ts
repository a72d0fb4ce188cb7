import { type Digest, parseDigest } from '../oci/digest.js';
import type { ImagePattern } from '../oci/image-pattern.js';
import type { FactKind, FactStore, Pin, Pins, Row } from './contract.js';
import { addTree, type ManifestSource } from './manifest-tree.js';

const PAGE_ROWS = 1000;

/** As it stands among the facts, under its digest. */
interface PinRow {
  readonly tree: boolean;
  readonly at: number;
}

/** Pins, and what they come to. */
export interface PinBoard extends Pins {
  /** Reads anew what is pinned where anything about it has changed. */
  refresh(): Promise<void>;
  /** A fact was set or deleted. */
  noteFact(kind: FactKind, key: string): void;
  /** A manifest has come into the store: it may be a part of a pinned image, and list more of it. */
  noteManifest(): void;
}

export interface PinOptions {
  readonly facts: Pick<FactStore, 'get' | 'set' | 'delete' | 'page'>;
  readonly source: ManifestSource;
  readonly patterns: readonly ImagePattern[];
  /** Told of everything that is pinned, whenever it was read anew. */
  readonly onRead: (pinned: ReadonlySet<Digest>) => Promise<void> | void;
}

export function createPins({ facts, source, patterns, onRead }: PinOptions): PinBoard {
  let pinned: ReadonlySet<Digest> = new Set();
  let hasTrees = false;
  let isStale = true;
  let reading: Promise<void> | undefined;

  async function refresh(): Promise<void> {
    // What changes during a reading is in the next one; and whoever comes during one waits for it, since its marks are not set yet.
    while (isStale || reading !== undefined) {
      reading ??= read()
        .catch((error: unknown) => {
          isStale = true;
          throw error;
        })
        .finally(() => {
          reading = undefined;
        });
      await reading;
    }
  }

  async function read(): Promise<void> {
    isStale = false;
    const found = new Set<Digest>();
    hasTrees = patterns.some(({ namesTags }) => namesTags);
    for await (const { key, value } of rows('pin', '')) {
      const digest = parseDigest(key);
      if (digest === undefined || !isPinRow(value)) continue;
      if (value.tree) {
        hasTrees = true;
        await addTree(source, digest, found);
      } else found.add(digest);
    }
    for (const pattern of patterns)
      await (pattern.namesTags ? addTagged(pattern, found) : addDelivered(pattern, found));
    pinned = found;
    await onRead(found);
  }

  /** What a repository delivered: the keys of links are its scope and a digest. */
  async function addDelivered(pattern: ImagePattern, found: Set<Digest>): Promise<void> {
    for await (const { key } of rows('link', keyPrefix(pattern))) {
      const space = key.lastIndexOf(' ');
      const digest = parseDigest(key.slice(space + 1));
      if (digest !== undefined && space > 0 && pattern.matches(nameOfScope(key.slice(0, space)))) found.add(digest);
    }
  }

  /** The trees of tags: their keys are a scope, a colon and the tag. */
  async function addTagged(pattern: ImagePattern, found: Set<Digest>): Promise<void> {
    for await (const { key, value } of rows('tag', keyPrefix(pattern))) {
      const colon = key.lastIndexOf(':');
      const digest = parseDigest(String((value as { digest?: unknown } | null)?.digest));
      const name = `${nameOfScope(key.slice(0, colon))}:${key.slice(colon + 1)}`;
      if (digest !== undefined && pattern.matches(name)) await addTree(source, digest, found);
    }
  }

  async function* rows(kind: FactKind, prefix: string): AsyncGenerator<Row> {
    let after: string | undefined;
    for (;;) {
      const page = await facts.page(kind, { prefix, limit: PAGE_ROWS, ...(after !== undefined && { after }) });
      yield* page;
      after = page.at(-1)?.key;
      if (after === undefined) return;
    }
  }

  return {
    async pin(digest, tree) {
      await facts.set('pin', digest, { tree, at: Date.now() } satisfies PinRow);
      isStale = true;
      await refresh();
    },
    async unpin(digest) {
      const isThere = isPinRow(await facts.get<unknown>('pin', digest));
      await facts.delete('pin', digest);
      isStale = true;
      await refresh();
      return isThere;
    },
    async isPinned(digest) {
      await refresh();
      return pinned.has(digest);
    },
    async list(query) {
      const page = await facts.page('pin', query);
      return page.flatMap(({ key, value }): Pin[] => {
        const digest = parseDigest(key);
        return digest !== undefined && isPinRow(value) ? [{ digest, tree: value.tree, pinnedAt: value.at }] : [];
      });
    },
    refresh,
    noteFact(kind, key) {
      if (kind === 'pin') isStale = true;
      const isAbout = (pattern: ImagePattern): boolean =>
        kind === (pattern.namesTags ? 'tag' : 'link') && key.startsWith(keyPrefix(pattern));
      if (patterns.some(isAbout)) isStale = true;
    },
    noteManifest() {
      if (hasTrees) isStale = true;
    },
  };
}

function isPinRow(value: unknown): value is PinRow {
  if (typeof value !== 'object' || value === null) return false;
  const { tree, at } = value as Partial<PinRow>;
  return typeof tree === 'boolean' && typeof at === 'number';
}

/** What every key of a fact about a pattern's images begins with. */
function keyPrefix({ literal }: ImagePattern): string {
  return literal.replace('/', ' ');
}

/** The name of a repository out of the scope that facts are kept under: `registry repository`, with `?ns=` for a mirror. */
function nameOfScope(scope: string): string {
  const [registry = '', repository = ''] = scope.split(' ');
  return `${registry}/${repository.replace(/\?.*$/, '')}`;
}
