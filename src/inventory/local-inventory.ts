import type { Space } from '../cache/budget.js';
import type { CacheStore, EntryOrder, FactStore, Inventory, Pins, Totals } from '../cache/contract.js';
import type { StoreTally } from '../cache/store-tally.js';
import type { Verify } from '../cache/verify.js';
import { ConfigError } from '../errors.js';
import { type Digest, parseDigest } from '../oci/digest.js';
import { carriersOf } from './carriers.js';
import type { ContentSource } from './content-source.js';
import type {
  Blob,
  Image,
  ImageNode,
  InventoryOperations,
  PinTarget,
  ScrubStats,
  Selection,
  StoreStats,
  VerifySelection,
} from './contract.js';
import { listImages } from './image-list.js';
import { formatRepository, type ImageName, parseImage, repositoryOf, scopeOf } from './image-name.js';
import { summarise } from './image-summary.js';
import { partsOf, readTree } from './image-tree.js';
import { taggedDigest } from './removal-scope.js';
import { type RemovalParts, removeImages } from './remove-images.js';
import { removeDigest, removeUnused } from './remove-unused.js';

export interface LocalInventoryParts {
  readonly store: Pick<CacheStore, 'readAll' | 'remove' | 'usage' | 'fault'>;
  readonly inventory: Inventory;
  readonly facts: FactStore;
  readonly verify: Verify;
  readonly pins: Pins;
  /** How much room there is now; undefined where the store has no limit. */
  measure(): Promise<Space | undefined>;
  readonly tally: StoreTally;
  quarantine(): Promise<Totals>;
  readonly kept: Totals;
  readonly rebuildShare?: number | undefined;
  /** What the scrubber has done; undefined where it does not run. */
  readonly scrub?: ScrubStats | undefined;
  readonly now?: () => number;
}

/** Selections that name what to remove; one of them at most. */
const NAMING = ['digest', 'image', 'repository', 'registry'] as const;

/** What can be asked of and done to a store, in the process that holds its folder. */
export function createLocalInventory(parts: LocalInventoryParts): InventoryOperations {
  const { store, inventory, facts, verify, pins, now = Date.now } = parts;
  const source: ContentSource = {
    describe: (digest) => inventory.describe(digest),
    // A disk that fails is told by readiness; here the content just cannot be looked into.
    peek: (digest, limitBytes) => store.readAll(digest, limitBytes).catch(() => undefined),
  };
  const removal: RemovalParts = { source, store, inventory, facts, now };

  async function repositoriesOf(digest: Digest): Promise<string[]> {
    const scopes = await carriersOf(facts, digest);
    return scopes.flatMap((scope) => {
      const name = repositoryOf(scope);
      return name === undefined ? [] : [formatRepository(name)];
    });
  }

  async function blob(digest: Digest): Promise<Blob | undefined> {
    const entry = await inventory.describe(digest);
    return entry && { ...entry, repositories: await repositoriesOf(digest) };
  }

  /** The digest of an image of its repository: what another repository delivered is no image of this one. */
  async function rootOf(name: ImageName): Promise<Digest | undefined> {
    const scope = scopeOf(name);
    if (name.digest === undefined) return taggedDigest(facts, scope, name.tag ?? '');
    return (await facts.get('link', `${scope} ${name.digest}`)) === undefined ? undefined : name.digest;
  }

  async function image(text: string): Promise<Image | undefined> {
    const name = parseImage(text);
    const digest = await rootOf(name);
    const found = digest && (await summarise(source, name, digest));
    if (found === undefined) return undefined;
    const { summary, tree } = found;
    return { ...summary, tree: await withRepositories(tree.root), truncated: tree.truncated };
  }

  async function withRepositories(node: ImageNode): Promise<ImageNode> {
    if (!node.held) return node;
    const repositories = await repositoriesOf(node.digest);
    if (node.parts === undefined) return { ...node, repositories };
    const grown: ImageNode[] = [];
    for (const part of node.parts) grown.push(await withRepositories(part));
    return { ...node, repositories, parts: grown };
  }

  function pinnedDigest({ digest, image }: PinTarget): Promise<Digest | undefined> {
    return digest === undefined ? rootOf(parseImage(image ?? '')) : Promise.resolve(digest);
  }

  async function digestsOf({ digest, image }: VerifySelection): Promise<Digest[] | undefined> {
    if (digest !== undefined) return (await inventory.describe(digest)) && [digest];
    const root = await rootOf(parseImage(image ?? ''));
    const tree = root && (await readTree(source, root));
    return tree && partsOf(tree.root).flatMap((part) => (part.held ? [part.digest] : []));
  }

  return {
    stats: () => statsOf(parts),
    async blobs({ sort, cursor, limit }) {
      checkCursor(sort, cursor);
      const page = await inventory.list({ order: sort, limit, ...(cursor === undefined ? {} : { after: cursor }) });
      return { blobs: page.entries, ...(page.next === undefined ? {} : { next: page.next }) };
    },
    blob,
    images: (query) => listImages(source, facts, query),
    image,
    async remove(selection, dryRun, work = {}) {
      checkSelection(selection);
      if (selection.digest !== undefined) return removeDigest(removal, selection, dryRun);
      const isNamed = NAMING.some((name) => selection[name] !== undefined);
      if (isNamed) return removeImages(removal, selection, dryRun, work);
      return removeUnused(removal, selection, dryRun, store.usage.bytes, work);
    },
    async verify(selection, { onProgress = () => {}, signal } = {}) {
      const isAll = selection.digest === undefined && selection.image === undefined;
      const digests = isAll ? undefined : await digestsOf(selection);
      if (!isAll && digests === undefined) return undefined;
      const { share: _, ...report } = await verify({
        ...(digests === undefined ? {} : { digests }),
        ...(signal === undefined ? {} : { signal }),
        onProgress: ({ share, checked, bad }) =>
          onProgress({ share, text: `${checked} checked${bad === 0 ? '' : `, ${bad} damaged`}` }),
      });
      return report;
    },
    async pins({ cursor, limit }) {
      checkCursor('digest', cursor);
      const listed = await pins.list({ limit, ...(cursor === undefined ? {} : { after: cursor }) });
      const last = listed.at(-1);
      return { pins: listed, ...(last === undefined || listed.length < limit ? {} : { next: last.digest }) };
    },
    async pin(target) {
      const digest = await pinnedDigest(target);
      if (digest === undefined) return undefined;
      // Whatever turns out to be a manifest brings what it lists.
      await pins.pin(digest, true);
      return { digest, tree: true, pinnedAt: now() };
    },
    async unpin(target) {
      const digest = await pinnedDigest(target);
      return digest !== undefined && (await pins.unpin(digest)) ? { digest } : undefined;
    },
  };
}

/** Most parts change, and are read when they are asked for. */
async function statsOf(parts: LocalInventoryParts): Promise<StoreStats> {
  const [space, quarantine] = await Promise.all([parts.measure(), parts.quarantine()]);
  const { scrub, store, tally, kept, rebuildShare } = parts;
  const { bytes, entries } = store.usage;
  const { evicted, lastEvictedAt, damaged } = tally;
  return {
    ...{ bytes, entries },
    ...(space && roomOf(space)),
    ...(space && { evicted, ...(lastEvictedAt !== undefined && { lastEvictedAt }) }),
    ...{ damaged, quarantine, kept },
    ...(rebuildShare !== undefined && { rebuildShare }),
    ...(scrub && { scrub: { share: scrub.share, rounds: scrub.rounds, checked: scrub.checked, bad: scrub.bad } }),
    ...(store.fault !== undefined && { fault: store.fault }),
  };
}

function roomOf({ usedBytes, budgetBytes, budgetRoomBytes, diskRoomBytes }: Space): Partial<StoreStats> {
  const roomBytes = Math.min(budgetRoomBytes, diskRoomBytes);
  return {
    ...(Number.isFinite(budgetBytes) && { takenBytes: usedBytes, budgetBytes: Math.floor(budgetBytes) }),
    ...(Number.isFinite(roomBytes) && { roomBytes: Math.max(0, Math.floor(roomBytes)) }),
  };
}

/** @throws ConfigError where the text is no cursor of such a listing */
function checkCursor(sort: EntryOrder, cursor: string | undefined): void {
  if (cursor === undefined) return;
  const [rank, digest] = sort === 'digest' ? ['0', cursor] : cursor.split(' ');
  const isCursor = /^-?\d{1,16}$/.test(rank ?? '') && parseDigest(digest ?? '') !== undefined;
  if (!isCursor) throw new ConfigError(['cursor is not one that a page of this listing gave as next.']);
}

/** @throws ConfigError where a selection selects nothing, or contradicts itself */
function checkSelection(selection: Selection): void {
  const named = NAMING.filter((name) => selection[name] !== undefined);
  if (named.length > 1) throw new ConfigError([`${named.join(' and ')} exclude each other.`]);
  const { unusedMs, toBytes } = selection;
  if (toBytes !== undefined && (named.length > 0 || unusedMs !== undefined)) {
    throw new ConfigError(['toBytes stands alone: it takes what was unused for longest, whatever that is.']);
  }
  if (named.length === 0 && unusedMs === undefined && toBytes === undefined) {
    throw new ConfigError([
      'Say what to remove: an image, repository, registry or digest, an age, or a size to come down to.',
    ]);
  }
}
