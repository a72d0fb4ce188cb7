import { parseAuthority } from '../net/authority.js';

/** An address to listen on. Port 0 asks the system for a free one. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

const DURATION_UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const MAX_DURATION_MS = 3650 * 86_400_000;

const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/**
 * Reads `500ms`, `60s`, `5m`, `1h`, `30d` or a plain `0`, in milliseconds. At most ten years.
 * @throws Error with one sentence for the user
 */
export function parseDuration(text: string): number {
  if (text === '0') return 0;
  const [, digits, unit] = /^(\d{1,15})(ms|s|m|h|d)$/.exec(text) ?? [];
  const factor = DURATION_UNITS[unit ?? ''];
  if (digits === undefined || factor === undefined) {
    throw new Error(
      `${JSON.stringify(text)} is not a duration; write a whole number and a unit, as in 500ms, 60s, 5m, 1h or 30d.`,
    );
  }
  const durationMs = Number(digits) * factor;
  if (durationMs > MAX_DURATION_MS) throw new Error(`${text} is too long; 3650d is the most.`);
  return durationMs;
}

/** Reads a duration that something may take, which is more than none. @throws Error with one sentence for the user */
export function parseTimeout(text: string): number {
  const timeoutMs = parseDuration(text);
  if (timeoutMs === 0) throw new Error('0 leaves no time at all; write a duration such as 5s.');
  // Beyond this Node's timers fire at once.
  if (timeoutMs > 2 ** 31 - 1) throw new Error(`${text} is too long; 24d is the most.`);
  return timeoutMs;
}

/** Reads how long a round of the scrubber takes; undefined for `off`. @throws Error with one sentence for the user */
export function parseScrub(text: string): number | undefined {
  if (text === 'off') return undefined;
  const roundMs = parseDuration(text);
  if (roundMs < 60_000) throw new Error(`${text} is too short for a round; write 1m or more, or off.`);
  return roundMs;
}

/**
 * Reads `50GiB`, `10MB` or a plain number of bytes; kB, MB, GB, TB are powers of 1000, KiB to TiB powers of 1024.
 * @throws Error with one sentence for the user
 */
export function parseSize(text: string): number {
  const [, digits, unit] = /^(\d{1,15})([A-Za-z]*)$/.exec(text) ?? [];
  const factor = Object.hasOwn(SIZE_UNITS, unit ?? '') ? SIZE_UNITS[unit ?? ''] : undefined;
  if (digits === undefined || factor === undefined) {
    throw new Error(
      `${JSON.stringify(text)} is not a size; write a whole number and a unit, as in 50GiB or 10MB, or bytes.`,
    );
  }
  const bytes = Number(digits) * factor;
  if (!Number.isSafeInteger(bytes)) throw new Error(`${text} is too large.`);
  return bytes;
}

/** A size in bytes, or a share (0 to 1) of the file system. */
export type SizeLimit = { readonly bytes: number } | { readonly share: number };

/**
 * Reads a size, or a share of the file system as in `80%`.
 * @throws Error with one sentence for the user
 */
export function parseSizeLimit(text: string): SizeLimit {
  const [, percent] = /^(\d{1,3}(?:\.\d{1,3})?)%$/.exec(text) ?? [];
  if (percent === undefined) return { bytes: parseSize(text) };
  if (Number(percent) > 100) throw new Error(`${text} is more than the whole file system.`);
  return { share: Number(percent) / 100 };
}

/** The index takes up to 5 MiB for itself: SQLite's log grows to 4 MiB before it is carried over. */
const LEAST_STORE_BYTES = 10 * 2 ** 20;

/**
 * Reads what the store may take: a limit that leaves room for something. `50` is 50 bytes, and means 50GiB more often
 * than not.
 * @throws Error with one sentence for the user
 */
export function parseStoreSize(text: string): SizeLimit {
  const limit = parseSizeLimit(text);
  if ('bytes' in limit ? limit.bytes >= LEAST_STORE_BYTES : limit.share > 0) return limit;
  throw new Error(
    `${text} is too little to store anything; write 10MiB or more, as in 50GiB, or 1% or so of the file system. A proxy that opens and stores nothing is --intercept none.`,
  );
}

/** Reads what stays free of the file system, which is not all of it. @throws Error with one sentence for the user */
export function parseFreeSpace(text: string): SizeLimit {
  const limit = parseSizeLimit(text);
  if ('share' in limit && limit.share >= 1) throw new Error(`${text} leaves no room to store anything.`);
  return limit;
}

/** Reads an age after which unused content is evicted; undefined for `off`. @throws Error with one sentence for the user */
export function parseMaxAge(text: string): number | undefined {
  if (text === 'off') return undefined;
  const ageMs = parseDuration(text);
  if (ageMs < 3_600_000) throw new Error(`${text} is too short; 1h is the least, and off evicts nothing for its age.`);
  return ageMs;
}

/**
 * Reads `127.0.0.1:3128`, `localhost:3128` or `[::]:3128`.
 * @throws Error with one sentence for the user
 */
export function parseListen(text: string): ListenAddress {
  const isAnyPort = text.endsWith(':0');
  try {
    // Port 0 is nothing one can connect to, but a fine thing to listen on.
    const { host, port } = isAnyPort ? parseAuthority(text.slice(0, -2), 0) : parseAuthority(text);
    return { host, port };
  } catch (error) {
    throw new Error(
      `${JSON.stringify(text)} is not an address to listen on; write host and port, as in 127.0.0.1:3128 or [::]:3128.`,
      { cause: error },
    );
  }
}

/** Reads a whole number from 1 to a million. @throws Error with one sentence for the user */
export function parseCount(text: string): number {
  const count = /^[1-9]\d{0,6}$/.test(text) ? Number(text) : 0;
  if (count < 1 || count > 1_000_000) {
    throw new Error(`${JSON.stringify(text)} is not a count; write a whole number from 1 to 1000000.`);
  }
  return count;
}

/** Reads a port of TCP. @throws Error with one sentence for the user */
export function parsePort(text: string): number {
  const port = /^[1-9]\d{0,4}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535)
    throw new Error(`${JSON.stringify(text)} is not a port; write a number from 1 to 65535.`);
  return port;
}
