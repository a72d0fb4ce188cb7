const SIZE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
const TIME_UNITS: readonly (readonly [name: string, ms: number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
];

/** A size in bytes as people read it: `3.6 MiB`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1023.95 && unit < SIZE_UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(value < 9.95 ? 1 : 0)} ${SIZE_UNITS[unit]}`;
}

/** How long ago a time was, as people read it: `3 h ago`. Times are milliseconds since the epoch. */
export function formatAge(at: number, now: number): string {
  const ageMs = now - at;
  const [name, unitMs] = TIME_UNITS.find(([, ms]) => ageMs >= ms) ?? ['', 0];
  return unitMs === 0 ? 'just now' : `${Math.floor(ageMs / unitMs)} ${name} ago`;
}

/** A number and its noun: `1 image`, `2 images`. */
export function formatCount(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
