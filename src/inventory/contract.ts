import type { EntryOrder, Pin, StoredEntry } from '../cache/contract.js';
import type { Digest } from '../oci/digest.js';

export interface ScrubStats {
  /** How far the present round is, from 0 to 1. */
  readonly share: number;
  readonly rounds: number;
  readonly checked: number;
  readonly bad: number;
}

/** What the store comes to. */
export interface StoreStats {
  /** Of all content. */
  readonly bytes: number;
  readonly entries: number;
  /** What the store takes with all its files, and what it may take; absent where there is no limit, or it is not known yet. */
  readonly takenBytes?: number;
  readonly budgetBytes?: number;
  /** What may still come before something has to go, by the budget and by the file system. */
  readonly roomBytes?: number;
  /** What was evicted since the start; absent where the store has no limit, as that of a proxy that is stopped. */
  readonly evicted?: Amount;
  /** Milliseconds since the epoch; absent where nothing was. */
  readonly lastEvictedAt?: number;
  /** Contents found damaged since the start. */
  readonly damaged: number;
  /** Damaged files that are put aside. */
  readonly quarantine: Amount;
  /** Beginnings of downloads that broke off, kept for the next request. */
  readonly kept: Amount;
  /** How far a rebuild of the index is, from 0 to 1; absent where none is under way. */
  readonly rebuildShare?: number;
  /** What the scrubber has done since the start; absent where it does not run. */
  readonly scrub?: ScrubStats;
  /** What is wrong with the store, in words; absent where all is well. */
  readonly fault?: string;
}

export interface BlobQuery {
  readonly sort: EntryOrder;
  /** `next` of the last page. */
  readonly cursor?: string;
  readonly limit: number;
}

export interface BlobPage {
  readonly blobs: readonly StoredEntry[];
  /** Names the next page; absent after the last. */
  readonly next?: string;
}

/** One piece of stored content, blob or manifest, and who delivered it. */
export interface Blob extends StoredEntry {
  /** Repositories that delivered it, as `docker.io/library/alpine`; the newest eight at most. */
  readonly repositories: readonly string[];
}

export interface ImageQuery {
  /** Only images of this registry, or of this repository, as `docker.io/library/alpine`. */
  readonly registry?: string;
  readonly repository?: string;
  readonly cursor?: string;
  /** A page may hold fewer, even none, and have a next one. */
  readonly limit: number;
}

/**
 * An image whose manifest or index is held. Sizes count each piece of content once; of a platform whose manifest is not
 * held, nothing but that manifest's size is known.
 */
export interface ImageSummary {
  /** `docker.io/library/alpine:3.20`, or with `@` and the digest where no tag points to it. */
  readonly image: string;
  readonly registry: string;
  readonly repository: string;
  readonly tag?: string;
  readonly digest: Digest;
  readonly mediaType: string;
  readonly heldBytes: number;
  readonly knownBytes: number;
  readonly heldParts: number;
  readonly knownParts: number;
  /** Platforms that are held whole, as `linux/amd64`. */
  readonly platforms: readonly string[];
  /** Last use of any part, and when the newest part was stored; milliseconds since the epoch. */
  readonly usedAt: number;
  readonly storedAt: number;
  readonly pinned: boolean;
}

export interface ImagePage {
  readonly images: readonly ImageSummary[];
  readonly next?: string;
}

export type NodeKind = 'index' | 'manifest' | 'attestation' | 'config' | 'layer' | 'blob';

/** A part of an image. */
export interface ImageNode {
  readonly digest: Digest;
  readonly kind: NodeKind;
  readonly mediaType: string;
  readonly sizeBytes: number;
  readonly platform?: string;
  readonly held: boolean;
  readonly pinned?: boolean;
  readonly usedAt?: number;
  readonly storedAt?: number;
  /** Repositories that delivered it. */
  readonly repositories?: readonly string[];
  /** What it lists; absent where it lists nothing, or is not held. */
  readonly parts?: readonly ImageNode[];
}

export interface Image extends ImageSummary {
  readonly tree: ImageNode;
  /** True where the tree has more parts than are shown. */
  readonly truncated: boolean;
}

/** What to remove: one of the first five at most, and the others in addition. All that is left out restricts nothing. */
export interface Selection {
  readonly digest?: Digest;
  /** As `docker.io/library/alpine:3.20` or with `@` and a digest. */
  readonly image?: string;
  readonly repository?: string;
  readonly registry?: string;
  /** Only what nobody used for so long. */
  readonly unusedMs?: number;
  /** What was unused for longest goes, until the store is no larger than this. Not together with others. */
  readonly toBytes?: number;
}

export interface Amount {
  readonly entries: number;
  readonly bytes: number;
}

/** What became of a piece of content that was selected, in the order of the work. The list is cut at a thousand. */
export interface RemovalItem {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly outcome: 'removed' | 'shared' | 'pinned' | 'used' | 'failed';
  /** One image that holds it too, where it is shared. */
  readonly sharedWith?: string;
}

/** `removed` is what would be removed in a dry run. */
export interface RemovalReport {
  readonly dryRun: boolean;
  readonly removed: Amount;
  /** Kept because other images hold it. */
  readonly shared: Amount;
  readonly pinned: Amount;
  /** Kept because it was used too lately. */
  readonly used: Amount;
  /** Could not be removed. */
  readonly failed: Amount;
  /** Tags that are forgotten. */
  readonly tags: number;
  /** Some images that hold what was shared. */
  readonly sharedWith: readonly string[];
  readonly items: readonly RemovalItem[];
  /** True where the work was ended before its end. */
  readonly aborted: boolean;
}

export interface VerifySelection {
  readonly digest?: Digest;
  readonly image?: string;
}

/** What `verify` found. */
export interface VerifyReport {
  readonly checked: number;
  readonly checkedBytes: number;
  /** Damaged: in quarantine now, and fetched again when somebody asks for them. */
  readonly bad: number;
  readonly missing: number;
  readonly unreadable: number;
  /** A thousand at most. */
  readonly badDigests: readonly Digest[];
  readonly aborted: boolean;
}

/** What to pin: one of the two. */
export interface PinTarget {
  readonly digest?: Digest;
  /** All of an image, as its tag stands now. */
  readonly image?: string;
}

export interface PinPage {
  readonly pins: readonly Pin[];
  readonly next?: string;
}

/** How far long work is. */
export interface WorkProgress {
  /** From 0 to 1; absent where nobody knows. */
  readonly share?: number;
  /** A few words for people. */
  readonly text: string;
}

export interface Work {
  readonly onProgress?: (progress: WorkProgress) => void;
  /** Ends the work; the report then tells what was done until then. */
  readonly signal?: AbortSignal;
}

/**
 * What can be asked of and done to the store, the same through the admin API and on the folder of a proxy that is
 * stopped. What is named and not there gives undefined. Bad names reject with a ConfigError.
 */
export interface InventoryOperations {
  stats(): Promise<StoreStats>;
  blobs(query: BlobQuery): Promise<BlobPage>;
  blob(digest: Digest): Promise<Blob | undefined>;
  images(query: ImageQuery): Promise<ImagePage>;
  /** @param name `docker.io/library/alpine:3.20`, `alpine:3.20`, or with `@` and a digest */
  image(name: string): Promise<Image | undefined>;
  /** Undefined where a digest, image, repository or registry is named of which nothing is known. */
  remove(selection: Selection, dryRun: boolean, work?: Work): Promise<RemovalReport | undefined>;
  verify(selection: VerifySelection, work?: Work): Promise<VerifyReport | undefined>;
  /** What is pinned by digest or image; the configuration's patterns are not among them. */
  pins(query: { readonly cursor?: string; readonly limit: number }): Promise<PinPage>;
  /** Keeps content from eviction and removal; a manifest with all that it lists. A digest need not be held yet. */
  pin(target: PinTarget): Promise<Pin | undefined>;
  /** Gives what was pinned; undefined where it was not. */
  unpin(target: PinTarget): Promise<{ readonly digest: Digest } | undefined>;
}
