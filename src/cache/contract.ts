import type { ProxyError } from '../errors.js';
import type { BodyReader } from '../http/body.js';
import type { Digest } from '../oci/digest.js';

/** What is known of one piece of stored content. */
export interface Entry {
  readonly digest: Digest;
  readonly sizeBytes: number;
  /** The media type of a manifest, as it was delivered; undefined for blobs. */
  readonly mediaType: string | undefined;
  /** When the content was committed, milliseconds since the epoch. */
  readonly storedAt: number;
}

/** Content on its way into the store. The bytes count for nothing until `commit` has come back. */
export interface Spool {
  /** Bytes that have been written and can be read back. */
  readonly writtenBytes: number;
  /** Appends bytes. One call at a time. Rejects with a `store` fault; the spool is then good for reading only. */
  append(bytes: Uint8Array): Promise<void>;
  /** Reads back what was appended; gives the number of bytes read into `into` (its whole length, or up to writtenBytes). */
  read(into: Uint8Array, offset: number): Promise<number>;
  /**
   * Makes the content visible under its digest: fsync, sums, rename, folder fsync, row. `digest` was computed from
   * the appended bytes by the caller, who vouches for it. Where the store holds the digest already, the spool is dropped.
   * Reading goes on working until `close`.
   */
  commit(digest: Digest, mediaType: string | undefined): Promise<Entry>;
  /** Drops whatever was not committed and closes the file. Safe to call more than once. */
  close(): Promise<void>;
  /** Closes the file and keeps what was written for `takeKept`, where it is worth it. Absent where nothing can be kept. */
  readonly keep?: () => Promise<void>;
}

/** What an earlier download of the same content from the same repository has left. */
export interface KeptSpool extends Spool {
  /** The length that the content was said to have. */
  readonly expectedBytes: number | undefined;
  /**
   * Reads all that was kept, checks it against its sums and gives it to `take`, up to the first damage; `writtenBytes`
   * then ends there. Before it has come back, nothing may be appended. The bytes are valid only during the call.
   */
  replay(take: (bytes: Uint8Array) => void): Promise<void>;
  readonly keep: () => Promise<void>;
}

/**
 * Content by digest. Bytes are immutable: who asks for a digest gets exactly its bytes or an error. The store knows
 * nothing of registries, repositories and rights; ask `access` first.
 */
export interface CacheStore {
  /** The entry, or undefined where the content is not held. Answers hot entries without touching disk or index. */
  lookup(digest: Digest): Promise<Entry | undefined>;
  /**
   * Opens stored content for reading; undefined where it turns out to be gone. Each chunk is checked against its sums
   * before it leaves; a damaged file is quarantined and the read rejects with `content-damaged`.
   */
  open(digest: Digest): Promise<BodyReader | undefined>;
  /** Whole content in memory, for manifests; undefined where it is not held or larger than `limitBytes`. */
  readAll(digest: Digest, limitBytes: number): Promise<Buffer | undefined>;
  /**
   * A place for content that is arriving. Room for `expectedBytes` is made first, within a second; without a length it
   * is made while the bytes come. Rejects with a `store` fault where there is no room or no disk. Content that is large
   * for the store has to be asked for twice before other content goes for it: `digest` says what it is. With `scope`,
   * the registry and repository that the bytes come from, they may be kept where they break off.
   */
  createSpool(expectedBytes: number | undefined, digest?: Digest, scope?: string): Promise<Spool>;
  /** What was kept of this content from this registry and repository; it is the caller's from now on. Never rejects. */
  readonly takeKept?: (digest: Digest, scope: string) => Promise<KeptSpool | undefined>;
  /** Stores content that is whole and verified already, such as a manifest. */
  put(digest: Digest, bytes: Uint8Array, mediaType: string | undefined): Promise<Entry>;
  /** Forgets the content and removes its file. Open readers go on reading. */
  remove(digest: Digest): Promise<void>;
  /** What is held, in all. */
  readonly usage: { readonly bytes: number; readonly entries: number };
  /** The last fault of the disk or the index, in words, or undefined when all is well. For readiness. */
  readonly fault: string | undefined;
  close(): Promise<void>;
}

/**
 * Durable facts, by kind and key: which repository delivered what, what is public, where a tag pointed, which hosts are
 * registries. Every fact that files cannot tell is written to a log as well, so that the index may be lost.
 */
export interface FactStore {
  get<T>(kind: FactKind, key: string): Promise<T | undefined>;
  /** Remembers a fact. `value` is plain JSON. A fault is counted, reported in readiness and swallowed: a cache fault is never a client fault. */
  set(kind: FactKind, key: string, value: unknown): Promise<void>;
  delete(kind: FactKind, key: string): Promise<void>;
  /** The facts of one kind, a page at a time; what was set before the call is in it. Gives none where the index cannot be read. */
  page(kind: FactKind, query: RowQuery): Promise<readonly Row[]>;
}

export type FactKind = 'link' | 'public' | 'tag' | 'host' | 'pin';

/** Rows of one kind in the order of their keys, a page at a time. */
export interface RowQuery {
  /** Only keys that begin with this. */
  readonly prefix?: string;
  /** The key that the last page ended with. */
  readonly after?: string;
  /** At most this many rows. */
  readonly limit: number;
}

export interface Row {
  readonly key: string;
  readonly value: unknown;
}

export interface Totals {
  readonly bytes: number;
  readonly entries: number;
}

/** The kinds of row in the index: the entry of stored content, and the facts. */
export type RowKind = 'entry' | FactKind;

/**
 * Rows by kind and key, quick to read and free to lose: files and the facts' log can fill it again. No method rejects.
 * A fault is reported, and the row then counts as not there or not written.
 */
export interface Index {
  /** True until `markRebuilt`, where the index was found missing, broken, or half rebuilt. */
  readonly needsRebuild: boolean;
  get<T>(kind: RowKind, key: string): Promise<T | undefined>;
  set(kind: RowKind, key: string, value: unknown): Promise<void>;
  delete(kind: RowKind, key: string): Promise<void>;
  /** Rows in the order of their keys; those written before the call are among them. */
  page(kind: RowKind, query: RowQuery): Promise<readonly Row[]>;
  /** The totals that the last run left, which count once: after a crash there are none, and the rows tell. */
  takeTotals(): Promise<Totals | undefined>;
  /** Leaves the totals for the next start. The last thing to be written before `close`. */
  keepTotals(totals: Totals): Promise<void>;
  markRebuilt(): Promise<void>;
  close(): Promise<void>;
}

/** An entry as a listing shows it. */
export interface StoredEntry extends Entry {
  /** When it was last read, to about a minute; when it was stored, where it never was. Milliseconds since the epoch. */
  readonly usedAt: number;
  /** Never evicted: by its own pin, or as a part of a pinned image. */
  readonly pinned: boolean;
}

/** `used` begins with what was not used for longest, `size` with the largest. */
export type EntryOrder = 'digest' | 'size' | 'used';

export interface EntryQuery {
  readonly order: EntryOrder;
  /** `next` of the last page. */
  readonly after?: string;
  readonly limit: number;
}

export interface EntryPage {
  readonly entries: readonly StoredEntry[];
  /** For the next page; undefined after the last. */
  readonly next: string | undefined;
}

/** Listings of what is held, bounded in memory at any number of entries. */
export interface Inventory {
  list(query: EntryQuery): Promise<EntryPage>;
  describe(digest: Digest): Promise<StoredEntry | undefined>;
}

/** A limit of the store: so many bytes, or a share (0 to 1) of the file system that it is on. */
export type SpaceLimit = { readonly bytes: number } | { readonly share: number };

/** One round of eviction that removed something. */
export interface EvictionRound {
  /** `room` for the budget and the file system, `age` for content that nobody used for too long. */
  readonly reason: 'room' | 'age';
  readonly entries: number;
  readonly bytes: number;
  readonly ms: number;
}

/** Content that is never evicted, by somebody's wish. */
export interface Pin {
  readonly digest: Digest;
  /** Whether everything that a manifest lists is pinned with it, level by level, and what of that arrives later. */
  readonly tree: boolean;
  /** Milliseconds since the epoch. */
  readonly pinnedAt: number;
}

/** What is pinned by digest, besides what the configuration's patterns name. Pins outlive the index. */
export interface Pins {
  /** Pins a digest, which need not be held yet. */
  pin(digest: Digest, tree: boolean): Promise<void>;
  /** False where there was no such pin. What is pinned as a part of another image stays pinned. */
  unpin(digest: Digest): Promise<boolean>;
  /** Whether a digest is pinned now: itself, as a part of a pinned image, or by a pattern. */
  isPinned(digest: Digest): Promise<boolean>;
  /** Pins by digest, in the order of digests, a page at a time. */
  list(query: { readonly after?: string; readonly limit: number }): Promise<readonly Pin[]>;
}

/** What the store tells of while it works. Telemetry makes log lines and counters of it. */
export interface StoreEvents {
  /** The disk, the index or the log of facts failed. The store goes on as well as it can. */
  fault(fault: ProxyError): void;
  /** Stored content was found damaged and is no longer held. */
  quarantined(digest: Digest, reason: string): void;
  /** A rebuild of the index takes its time: told every ten seconds, with how much is done, from 0 to 1. */
  rebuilding?(share: number): void;
  /** A rebuild of the index from files and log has ended, and there was something to rebuild. */
  rebuilt(entries: number, facts: number): void;
  /** A round of eviction has ended. */
  evicted?(round: EvictionRound): void;
}
