import { LRUCache } from 'lru-cache';

/** A map that forgets what was used longest ago when it is full. */
export interface BoundedMap<K, V> {
  get(key: K): V | undefined;
  set(key: K, value: V): void;
  delete(key: K): void;
  readonly size: number;
}

/**
 * Makes a bounded map. `max` counts keys, or where `sizeOf` is given, the sum of what it says of each value (an integer
 * of at least 1). A value that is larger than `max` by itself is not kept.
 */
export function createBoundedMap<K extends string, V extends object>(
  max: number,
  sizeOf?: (value: V) => number,
): BoundedMap<K, V> {
  // By size even where keys are counted: told a number of keys, the library takes memory for all of them at once.
  const cache = new LRUCache<K, V>({ maxSize: max, sizeCalculation: sizeOf ?? one });
  return {
    get: (key) => cache.get(key),
    set: (key, value) => {
      cache.set(key, value);
    },
    delete: (key) => {
      cache.delete(key);
    },
    get size() {
      return cache.size;
    },
  };
}

function one(): number {
  return 1;
}
