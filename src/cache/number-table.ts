const SHARDS = 256;
const FIRST_CAPACITY = 16;
/** Keys are whole numbers that are not negative. */
const EMPTY = -1;

/**
 * Numbers by numbers, for millions of them: 256 tables side by side, in typed arrays. A `Map` of a million stands still
 * for a tenth of a second whenever it grows, and keeps the garbage collector busy; here a table that grows is a small
 * one. Some 30 bytes for each.
 */
export class NumberTable {
  readonly #shards = Array.from({ length: SHARDS }, () => new Shard());

  get size(): number {
    return this.#shards.reduce((sum, { count }) => sum + count, 0);
  }

  get(key: number): number | undefined {
    return this.#shardOf(key).get(key);
  }

  set(key: number, value: number): void {
    this.#shardOf(key).set(key, value);
  }

  /** The longest table, in places: what a growth has to go through at most. */
  get longestShard(): number {
    return Math.max(...this.#shards.map(({ capacity }) => capacity));
  }

  #shardOf(key: number): Shard {
    return this.#shards[key % SHARDS] as Shard;
  }
}

/** An open table, never more than three quarters full. */
class Shard {
  count = 0;
  #keys = new Float64Array(FIRST_CAPACITY).fill(EMPTY);
  #values = new Float64Array(FIRST_CAPACITY);

  get capacity(): number {
    return this.#keys.length;
  }

  get(key: number): number | undefined {
    const at = this.#placeOf(key);
    return this.#keys[at] === EMPTY ? undefined : this.#values[at];
  }

  set(key: number, value: number): void {
    const at = this.#placeOf(key);
    this.#values[at] = value;
    if (this.#keys[at] !== EMPTY) return;
    this.#keys[at] = key;
    this.count += 1;
    if (this.count * 4 > this.#keys.length * 3) this.#grow();
  }

  /** Where the key stands, or would. */
  #placeOf(key: number): number {
    const mask = this.#keys.length - 1;
    // The lowest bits have chosen the shard.
    let at = Math.floor(key / SHARDS) & mask;
    while (this.#keys[at] !== EMPTY && this.#keys[at] !== key) at = (at + 1) & mask;
    return at;
  }

  #grow(): void {
    const keys = this.#keys;
    const values = this.#values;
    this.#keys = new Float64Array(keys.length * 2).fill(EMPTY);
    this.#values = new Float64Array(keys.length * 2);
    for (let at = 0; at < keys.length; at += 1) {
      const key = keys[at] ?? EMPTY;
      if (key === EMPTY) continue;
      const place = this.#placeOf(key);
      this.#keys[place] = key;
      this.#values[place] = values[at] ?? 0;
    }
  }
}
