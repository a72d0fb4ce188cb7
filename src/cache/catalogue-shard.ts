/** Words of 32 bits that an entry is known by: the first 256 bits of its digest. */
export const KEY_WORDS = 8;

const FIRST_CAPACITY = 16;
const EMPTY = 0;

/** What marks an entry. */
export const FLAG = { sha512: 1, pinned: 2, unsaved: 4 } as const;

/**
 * Entries side by side in typed arrays, with a table that finds them by their key. About 70 bytes an entry, none of
 * them an object, so that a million costs the garbage collector nothing. Slots are dense: a removal moves the last
 * entry into the hole.
 */
export class CatalogueShard {
  #count = 0;
  #keys = new Uint32Array(FIRST_CAPACITY * KEY_WORDS);
  sizes = new Float64Array(FIRST_CAPACITY);
  /** Milliseconds since the epoch. */
  storedAt = new Float64Array(FIRST_CAPACITY);
  /** Seconds since the epoch. */
  usedAt = new Uint32Array(FIRST_CAPACITY);
  uses = new Uint8Array(FIRST_CAPACITY);
  types = new Uint8Array(FIRST_CAPACITY);
  flags = new Uint8Array(FIRST_CAPACITY);
  /** Slot + 1 at a place that the key's second word chooses (the first chose the shard), 0 where there is none. */
  #table = new Uint32Array(FIRST_CAPACITY * 2);

  get count(): number {
    return this.#count;
  }

  /** The slot of a key, or -1. */
  find(key: Uint32Array): number {
    const mask = this.#table.length - 1;
    for (let at = (key[1] ?? 0) & mask; ; at = (at + 1) & mask) {
      const slot = (this.#table[at] ?? EMPTY) - 1;
      if (slot < 0 || this.#isAt(slot, key)) return slot;
    }
  }

  /** A new slot for a key that has none; all else in it is zero. */
  add(key: Uint32Array): number {
    if (this.#count === this.sizes.length) this.#grow();
    const slot = this.#count;
    this.#count += 1;
    this.#keys.set(key, slot * KEY_WORDS);
    this.#clear(slot);
    this.#enter(slot);
    return slot;
  }

  remove(slot: number): void {
    this.#leave(slot);
    const last = this.#count - 1;
    if (slot !== last) {
      this.#leave(last);
      this.#keys.copyWithin(slot * KEY_WORDS, last * KEY_WORDS, this.#count * KEY_WORDS);
      for (const column of this.#columns()) column[slot] = column[last] ?? 0;
      this.#enter(slot);
    }
    this.#count = last;
  }

  /** The key of a slot; a view that the next change may overwrite. */
  key(slot: number): Uint32Array {
    return this.#keys.subarray(slot * KEY_WORDS, (slot + 1) * KEY_WORDS);
  }

  /** The first word of a slot's key. */
  head(slot: number): number {
    return this.#keys[slot * KEY_WORDS] ?? 0;
  }

  #columns(): (Float64Array | Uint32Array | Uint8Array)[] {
    return [this.sizes, this.storedAt, this.usedAt, this.uses, this.types, this.flags];
  }

  #clear(slot: number): void {
    for (const column of this.#columns()) column[slot] = 0;
  }

  #isAt(slot: number, key: Uint32Array): boolean {
    const start = slot * KEY_WORDS;
    for (let word = 0; word < KEY_WORDS; word += 1) {
      if (this.#keys[start + word] !== key[word]) return false;
    }
    return true;
  }

  #place(slot: number): number {
    return (this.#keys[slot * KEY_WORDS + 1] ?? 0) & (this.#table.length - 1);
  }

  #enter(slot: number): void {
    const mask = this.#table.length - 1;
    let at = this.#place(slot);
    while (this.#table[at] !== EMPTY) at = (at + 1) & mask;
    this.#table[at] = slot + 1;
  }

  /** Takes a slot out of the table, and moves up what stood behind it only because its place was taken. */
  #leave(slot: number): void {
    const mask = this.#table.length - 1;
    let hole = this.#place(slot);
    while (this.#table[hole] !== slot + 1) hole = (hole + 1) & mask;
    for (let at = (hole + 1) & mask; this.#table[at] !== EMPTY; at = (at + 1) & mask) {
      const place = this.#place((this.#table[at] ?? 0) - 1);
      if (((at - place) & mask) < ((at - hole) & mask)) continue;
      this.#table[hole] = this.#table[at] ?? EMPTY;
      hole = at;
    }
    this.#table[hole] = EMPTY;
  }

  #grow(): void {
    const capacity = this.sizes.length + (this.sizes.length >> 1);
    this.#keys = longer(this.#keys, capacity * KEY_WORDS);
    this.sizes = longer(this.sizes, capacity);
    this.storedAt = longer(this.storedAt, capacity);
    this.usedAt = longer(this.usedAt, capacity);
    this.uses = longer(this.uses, capacity);
    this.types = longer(this.types, capacity);
    this.flags = longer(this.flags, capacity);
    if (capacity * 4 <= this.#table.length * 3) return;
    this.#table = new Uint32Array(this.#table.length * 2);
    for (let slot = 0; slot < this.#count; slot += 1) this.#enter(slot);
  }
}

function longer<T extends Float64Array | Uint32Array | Uint8Array>(column: T, length: number): T {
  const grown = new (column.constructor as new (length: number) => T)(length);
  grown.set(column);
  return grown;
}
