import { type Digest, digestHex, digestOf } from '../oci/digest.js';
import { CatalogueShard, FLAG, KEY_WORDS } from './catalogue-shard.js';
import type { Entry, StoredEntry, Totals } from './contract.js';
import { footprintBytes } from './footprint.js';
import { createStepper } from './stepper.js';

/** Enough that no shard of a store of millions takes a millisecond to grow or to look through. */
const SHARDS = 256;
const KEY_DIGITS = KEY_WORDS * 8;
const MAX_USES = 255;
const MAX_TYPES = 255;
/** Puts the heads of sha512 behind those of sha256, as their names stand. */
const LONG_HEAD = 2 ** 32;

/** What is known of an entry besides what its file tells. */
export interface Use {
  /** Milliseconds since the epoch; kept to the second. */
  readonly usedAt: number;
  /** In how many minutes or so it was used; 1 for what was only stored. */
  readonly uses: number;
}

/** One entry during a walk: valid only until the walk goes on. */
export interface Held extends Use {
  readonly sizeBytes: number;
  readonly pinned: boolean;
  /** Used since its row was written. */
  readonly unsaved: boolean;
  readonly digest: Digest;
  /** A number that orders most digests as they stand; quicker to have than the digest. */
  readonly head: number;
}

/**
 * All entries in memory, small: what is asked of all of them at once (what to evict, what is largest) is found by a walk
 * in steps of a few milliseconds. About 100 bytes an entry.
 */
export class Catalogue {
  readonly #shards = Array.from({ length: SHARDS }, () => new CatalogueShard());
  /** Digits of those digests that have more of them than a key holds. */
  readonly #longHex = new Map<string, string>();
  readonly #types: (string | undefined)[] = [undefined];
  readonly #key = new Uint32Array(KEY_WORDS);
  readonly #keyBytes = Buffer.alloc(KEY_WORDS * 4);
  #bytes = 0;
  #footprintBytes = 0;
  #entries = 0;

  get totals(): Totals {
    return { bytes: this.#bytes, entries: this.#entries };
  }

  /** What the files of all entries take on the disk, sums included. */
  get footprintBytes(): number {
    return this.#footprintBytes;
  }

  get(digest: Digest): Entry | undefined {
    const { shard, slot } = this.#find(digest);
    return slot < 0 ? undefined : this.#entry(shard, slot, digest);
  }

  describe(digest: Digest): StoredEntry | undefined {
    const { shard, slot } = this.#find(digest);
    if (slot < 0) return undefined;
    const pinned = ((shard.flags[slot] ?? 0) & FLAG.pinned) !== 0;
    return { ...this.#entry(shard, slot, digest), usedAt: (shard.usedAt[slot] ?? 0) * 1000, pinned };
  }

  use(digest: Digest): Use | undefined {
    const { shard, slot } = this.#find(digest);
    if (slot < 0) return undefined;
    return { usedAt: (shard.usedAt[slot] ?? 0) * 1000, uses: shard.uses[slot] ?? 0 };
  }

  set(entry: Entry, use: Use, marks: { readonly pinned: boolean }): void {
    const { digest, sizeBytes, mediaType, storedAt } = entry;
    this.delete(digest);
    const shard = this.#shardOf(digest);
    const slot = shard.add(this.#key);
    shard.sizes[slot] = sizeBytes;
    shard.storedAt[slot] = storedAt;
    shard.usedAt[slot] = Math.max(0, use.usedAt / 1000);
    shard.uses[slot] = Math.min(MAX_USES, use.uses);
    shard.types[slot] = this.#typeNumber(mediaType);
    const hex = digestHex(digest);
    if (hex.length > KEY_DIGITS) this.#longHex.set(hex.slice(0, KEY_DIGITS), hex);
    shard.flags[slot] = (hex.length > KEY_DIGITS ? FLAG.sha512 : 0) | (marks.pinned ? FLAG.pinned : 0);
    this.#count(sizeBytes, 1);
  }

  delete(digest: Digest): void {
    const { shard, slot } = this.#find(digest);
    if (slot < 0) return;
    this.#count(shard.sizes[slot] ?? 0, -1);
    const hex = digestHex(digest);
    if (hex.length > KEY_DIGITS) this.#longHex.delete(hex.slice(0, KEY_DIGITS));
    shard.remove(slot);
  }

  /** Notes that the entry is used now; one that was used within the last minute is not counted again. */
  touch(digest: Digest, now: number): void {
    const { shard, slot } = this.#find(digest);
    if (slot < 0) return;
    const second = Math.floor(now / 1000);
    const before = shard.usedAt[slot] ?? 0;
    if (second === before) return;
    if (second - before >= 60) shard.uses[slot] = Math.min(MAX_USES, (shard.uses[slot] ?? 0) + 1);
    shard.usedAt[slot] = second;
    shard.flags[slot] = (shard.flags[slot] ?? 0) | FLAG.unsaved;
  }

  mark(digest: Digest, flag: keyof typeof FLAG, on: boolean): void {
    const { shard, slot } = this.#find(digest);
    if (slot < 0) return;
    const flags = shard.flags[slot] ?? 0;
    shard.flags[slot] = on ? flags | FLAG[flag] : flags & ~FLAG[flag];
  }

  /** Shows every entry to `visit`, which must change none, with pauses for the event loop. Ends early on `false`. */
  async walk(visit: (held: Held) => boolean | undefined): Promise<void> {
    const step = createStepper();
    // One object for all: a million of them would keep the garbage collector busy.
    const held = new Walker((shard, slot) => this.#digestAt(shard, slot));
    for (const shard of this.#shards) {
      held.shard = shard;
      for (held.slot = 0; held.slot < shard.count; held.slot += 1) {
        if (visit(held) === false) return;
      }
      await step();
    }
  }

  #entry(shard: CatalogueShard, slot: number, digest: Digest): Entry {
    return {
      digest,
      sizeBytes: shard.sizes[slot] ?? 0,
      mediaType: this.#types[shard.types[slot] ?? 0],
      storedAt: shard.storedAt[slot] ?? 0,
    };
  }

  #find(digest: Digest): { readonly shard: CatalogueShard; readonly slot: number } {
    const shard = this.#shardOf(digest);
    const slot = shard.find(this.#key);
    if (slot < 0) return { shard, slot };
    // Nobody knows two digests of different algorithms that begin alike; if somebody finds them, they are not the same.
    const isLong = ((shard.flags[slot] ?? 0) & FLAG.sha512) !== 0;
    return { shard, slot: isLong === digest.startsWith('sha512:') ? slot : -1 };
  }

  /** The shard of a digest, whose key it leaves in `#key`. */
  #shardOf(digest: Digest): CatalogueShard {
    const start = digest.indexOf(':') + 1;
    for (let word = 0; word < KEY_WORDS; word += 1) {
      this.#key[word] = Number.parseInt(digest.slice(start + word * 8, start + word * 8 + 8), 16);
    }
    return this.#shards[(this.#key[0] ?? 0) >>> 24] as CatalogueShard;
  }

  #digestAt(shard: CatalogueShard, slot: number): Digest {
    // Thousands are written out between two turns of the event loop.
    const key = shard.key(slot);
    for (let word = 0; word < KEY_WORDS; word += 1) this.#keyBytes.writeUInt32BE(key[word] ?? 0, word * 4);
    const hex = this.#keyBytes.toString('hex');
    const isLong = ((shard.flags[slot] ?? 0) & FLAG.sha512) !== 0;
    return isLong ? digestOf('sha512', this.#longHex.get(hex) ?? hex) : digestOf('sha256', hex);
  }

  /** Manifests have a handful of types. What is one type too many counts as a blob, and costs a question to the registry. */
  #typeNumber(mediaType: string | undefined): number {
    const known = this.#types.indexOf(mediaType);
    if (known >= 0) return known;
    return this.#types.length > MAX_TYPES ? 0 : this.#types.push(mediaType) - 1;
  }

  #count(sizeBytes: number, sign: 1 | -1): void {
    this.#bytes += sign * sizeBytes;
    this.#footprintBytes += sign * footprintBytes(sizeBytes);
    this.#entries += sign;
  }
}

class Walker implements Held {
  shard = new CatalogueShard();
  slot = 0;
  readonly #digestAt: (shard: CatalogueShard, slot: number) => Digest;

  constructor(digestAt: (shard: CatalogueShard, slot: number) => Digest) {
    this.#digestAt = digestAt;
  }

  get sizeBytes(): number {
    return this.shard.sizes[this.slot] ?? 0;
  }

  get usedAt(): number {
    return (this.shard.usedAt[this.slot] ?? 0) * 1000;
  }

  get uses(): number {
    return this.shard.uses[this.slot] ?? 0;
  }

  get pinned(): boolean {
    return ((this.shard.flags[this.slot] ?? 0) & FLAG.pinned) !== 0;
  }

  get unsaved(): boolean {
    return ((this.shard.flags[this.slot] ?? 0) & FLAG.unsaved) !== 0;
  }

  get head(): number {
    const isLong = ((this.shard.flags[this.slot] ?? 0) & FLAG.sha512) !== 0;
    return (isLong ? LONG_HEAD : 0) + this.shard.head(this.slot);
  }

  get digest(): Digest {
    return this.#digestAt(this.shard, this.slot);
  }
}

/** As `head` of an entry. */
export function headOf(digest: Digest): number {
  const hex = digestHex(digest);
  return (hex.length > KEY_DIGITS ? LONG_HEAD : 0) + Number.parseInt(hex.slice(0, 8), 16);
}
