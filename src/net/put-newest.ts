/**
 * Puts a value behind all others of a map, as the newest, and forgets the oldest where there are more than `max` then.
 * Reading moves nothing.
 */
export function putNewest<Key, Value>(map: Map<Key, Value>, key: Key, value: Value, max: number): void {
  map.delete(key);
  map.set(key, value);
  const oldest = map.keys().next();
  if (map.size > max && !oldest.done) map.delete(oldest.value);
}
