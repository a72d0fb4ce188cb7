import { Links } from '../../src/access/links.js';
import type { CacheStore, EntryQuery, FactStore, Inventory, Pins, StoredEntry } from '../../src/cache/contract.js';
import type { Verify } from '../../src/cache/verify.js';
import type { ContentSource } from '../../src/inventory/content-source.js';
import type { InventoryOperations } from '../../src/inventory/contract.js';
import { createLocalInventory } from '../../src/inventory/local-inventory.js';
import type { RemovalParts } from '../../src/inventory/remove-images.js';
import type { Digest } from '../../src/oci/digest.js';
import { createMemoryFacts } from '../support/memory-facts.js';
import { createMemoryStore, digestOfBytes } from '../support/memory-store.js';
import { seededBytes } from '../support/registry-content.js';

export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
export const OCI_CONFIG = 'application/vnd.oci.image.config.v1+json';
export const OCI_LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip';

export interface Stored {
  readonly digest: Digest;
  readonly bytes: Buffer;
  readonly mediaType: string;
}

export interface StoredImage extends Stored {
  readonly config: Stored;
  readonly layers: readonly Stored[];
}

/** A store in memory with the facts that pulls would have left, and the inventory of it. */
export interface Stage extends RemovalParts {
  readonly facts: FactStore;
  readonly inventory: Inventory;
  readonly memory: CacheStore;
  readonly operations: InventoryOperations;
  /** The clock; uses are told by it. */
  time: number;
  readonly pins: Set<Digest>;
  /** What `verify` was asked to check. */
  readonly verified: (readonly Digest[] | undefined)[];
  put(scope: string, bytes: Uint8Array, mediaType?: string): Promise<Stored>;
  document(scope: string, document: object, mediaType: string): Promise<Stored>;
  /** An image of these layers, each a text that its bytes are made of. */
  image(scope: string, tag: string | undefined, layers: readonly string[], platform?: string): Promise<StoredImage>;
  index(scope: string, tag: string | undefined, images: readonly Stored[]): Promise<Stored>;
  tag(scope: string, tag: string, digest: Digest): Promise<void>;
  use(digest: Digest): void;
  holds(digest: Digest): Promise<boolean>;
}

export const HOUR = 3600_000;

/** A store without a limit, to which nothing has happened. */
export const UNTOUCHED = {
  measure: async () => undefined,
  tally: { evicted: { bytes: 0, entries: 0 }, lastEvictedAt: undefined, damaged: 0 },
  quarantine: async () => ({ bytes: 0, entries: 0 }),
  kept: { bytes: 0, entries: 0 },
};

export function createStage(): Stage {
  const facts = createMemoryFacts();
  const memory = createMemoryStore();
  const links = new Links({ rows: facts, maxAgeMs: 1_000 * HOUR });
  const usedAt = new Map<Digest, number>();
  const pins = new Set<Digest>();
  const verified: (readonly Digest[] | undefined)[] = [];
  const verify: Verify = async ({ digests, onProgress } = {}) => {
    verified.push(digests);
    const done = { share: 1, checked: 2, checkedBytes: 30, bad: 0, missing: 0, unreadable: 0 };
    onProgress?.(done);
    return { ...done, badDigests: [], aborted: false };
  };
  const describe = async (digest: Digest): Promise<StoredEntry | undefined> => {
    const entry = await memory.lookup(digest);
    return entry && { ...entry, usedAt: usedAt.get(digest) ?? 0, pinned: pins.has(digest) };
  };
  const inventory: Inventory = { list: (query) => list([...usedAt.keys()], describe, query), describe };
  const source: ContentSource = { describe, peek: (digest, limitBytes) => memory.readAll(digest, limitBytes) };
  const store: CacheStore = { ...memory, remove: (digest) => memory.remove(digest) };

  const stage: Stage = {
    ...{ source, store, memory, inventory, facts, pins, verified },
    time: 1_800_000_000_000,
    now: () => stage.time,
    operations: createLocalInventory({
      store: Object.defineProperty(store, 'usage', { get: () => memory.usage }),
      ...{ inventory, facts, verify, pins: memoryPins(pins) },
      ...UNTOUCHED,
      now: () => stage.time,
    }),
    async put(scope, bytes, mediaType) {
      const digest = digestOfBytes(bytes);
      const isManifest = mediaType === OCI_MANIFEST || mediaType === OCI_INDEX;
      await memory.put(digest, bytes, isManifest ? mediaType : undefined);
      await links.delivered(scope, digest);
      usedAt.set(digest, stage.time);
      return { digest, bytes: Buffer.from(bytes), mediaType: mediaType ?? OCI_LAYER };
    },
    document: (scope, document, mediaType) => stage.put(scope, Buffer.from(JSON.stringify(document)), mediaType),
    async image(scope, tag, layers, platform = 'linux/amd64') {
      const [os, architecture] = platform.split('/');
      const config = await stage.put(scope, Buffer.from(JSON.stringify({ os, architecture, layers })), OCI_CONFIG);
      const stored: Stored[] = [];
      for (const layer of layers) stored.push(await stage.put(scope, seededBytes(1_000, layer), OCI_LAYER));
      const document = {
        schemaVersion: 2,
        mediaType: OCI_MANIFEST,
        config: descriptorOf(config),
        layers: stored.map(descriptorOf),
      };
      const manifest = await stage.document(scope, document, OCI_MANIFEST);
      if (tag !== undefined) await stage.tag(scope, tag, manifest.digest);
      return { ...manifest, config, layers: stored };
    },
    async index(scope, tag, images) {
      const manifests = images.map((image, n) => ({
        ...descriptorOf(image),
        platform: { os: 'linux', architecture: ['amd64', 'arm64'][n] ?? `arch${n}` },
      }));
      const index = await stage.document(scope, { schemaVersion: 2, mediaType: OCI_INDEX, manifests }, OCI_INDEX);
      if (tag !== undefined) await stage.tag(scope, tag, index.digest);
      return index;
    },
    tag: (scope, tag, digest) => facts.set('tag', `${scope}:${tag}`, { digest, at: stage.time }),
    use: (digest) => void usedAt.set(digest, stage.time),
    holds: async (digest) => (await memory.lookup(digest)) !== undefined,
  };
  return stage;
}

export function descriptorOf({ digest, bytes, mediaType }: Stored): {
  mediaType: string;
  digest: string;
  size: number;
} {
  return { mediaType, digest, size: bytes.length };
}

async function list(
  digests: readonly Digest[],
  describe: (digest: Digest) => Promise<StoredEntry | undefined>,
  { order, after, limit }: EntryQuery,
): Promise<{ entries: StoredEntry[]; next: string | undefined }> {
  const all = (await Promise.all(digests.map(describe))).flatMap((entry) => entry ?? []);
  const placeOf = (entry: StoredEntry): string => {
    const rank = order === 'digest' ? 0 : order === 'used' ? entry.usedAt : 1e12 - entry.sizeBytes;
    return `${String(rank).padStart(16, '0')} ${entry.digest}`;
  };
  const cursorOf = (entry: StoredEntry): string => (order === 'digest' ? entry.digest : placeOf(entry));
  const sorted = all.toSorted((a, b) => (placeOf(a) < placeOf(b) ? -1 : 1));
  const from = sorted.filter((entry) => after === undefined || cursorOf(entry) > after);
  const entries = from.slice(0, limit);
  const last = entries.at(-1);
  return { entries, next: from.length > limit && last !== undefined ? cursorOf(last) : undefined };
}

/** Pins without trees. */
function memoryPins(pinned: Set<Digest>): Pins {
  return {
    pin: async (digest) => void pinned.add(digest),
    unpin: async (digest) => pinned.delete(digest),
    isPinned: async (digest) => pinned.has(digest),
    list: async ({ after = '', limit }) =>
      [...pinned]
        .filter((digest) => digest > after)
        .toSorted()
        .slice(0, limit)
        .map((digest) => ({ digest, tree: true, pinnedAt: 1 })),
  };
}
