import type { FileHandle } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import type { FactKind } from './contract.js';

/** One line of the log: a fact, or without a value, that it holds no longer. */
export interface FactRecord {
  readonly kind: FactKind;
  readonly key: string;
  readonly value: unknown;
}

/** The first line of a log that was compacted: how many bytes the compacted lines have. */
export interface LogHead {
  readonly compactedBytes: number;
}

/** A line as it stands in a file. */
export interface FileLine {
  /** Where it begins. */
  readonly offset: number;
  /** Without its line break; undefined where it is too long to be one of ours. */
  readonly text: string | undefined;
}

const KINDS: ReadonlySet<string> = new Set<FactKind>(['link', 'public', 'tag', 'host', 'pin']);
const STEP_BYTES = 256 * 1024;
const LONGEST_LINE_BYTES = 1024 * 1024;
/** The head can be written last, because its length is known before. */
export const HEAD_BYTES = 64;

export function encodeFact({ kind, key, value }: FactRecord): string {
  return encodeLine(toJson({ k: kind, i: key, v: value }));
}

/** A head of exactly HEAD_BYTES. */
export function encodeHead(head: LogHead): string {
  return encodeLine(JSON.stringify(head).padEnd(HEAD_BYTES - 10));
}

/** Reads a line; undefined where it is torn, damaged, or of a kind that nobody knows. */
export function decodeLine(line: string): FactRecord | LogHead | undefined {
  const value = decodeJson(line);
  if (value === undefined) return undefined;
  const { k, i, compactedBytes } = value;
  if (typeof compactedBytes === 'number') return { compactedBytes };
  if (typeof k !== 'string' || !KINDS.has(k) || typeof i !== 'string') return undefined;
  return { kind: k as FactKind, key: i, value: value['v'] };
}

export function isHead(record: FactRecord | LogHead): record is LogHead {
  return 'compactedBytes' in record;
}

/**
 * The lines of an open file from the first one that begins behind `startBytes` up to `endBytes`, a batch for each
 * 256 KiB that is read; empty lines are left out.
 */
export async function* readLines(
  handle: FileHandle,
  endBytes: number,
  startBytes = 0,
): AsyncGenerator<readonly FileLine[]> {
  const step = Buffer.alloc(STEP_BYTES);
  let rest = Buffer.alloc(0);
  let restOffset = startBytes;
  let tooLong = false;
  // Whether the place is at a line's beginning is not known, so what stands there is left out.
  let isFirst = startBytes > 0;
  for (let at = startBytes; at < endBytes; ) {
    const { bytesRead } = await handle.read(step, 0, Math.min(STEP_BYTES, endBytes - at), at);
    if (bytesRead === 0) break;
    at += bytesRead;
    const bytes = Buffer.concat([rest, step.subarray(0, bytesRead)]);
    const lines: FileLine[] = [];
    let start = 0;
    for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10, start)) {
      const text = tooLong ? undefined : bytes.toString('utf8', start, end);
      if (text !== '' && !isFirst) lines.push({ offset: restOffset + start, text });
      isFirst = false;
      tooLong = false;
      start = end + 1;
    }
    rest = bytes.subarray(start);
    restOffset += start;
    if (rest.length > LONGEST_LINE_BYTES) {
      restOffset += rest.length;
      rest = Buffer.alloc(0);
      tooLong = true;
    }
    yield lines;
  }
  if (!isFirst && (rest.length > 0 || tooLong))
    yield [{ offset: restOffset, text: tooLong ? undefined : rest.toString('utf8') }];
}

/** Line breaks that JSON leaves as they are, and that some readers of lines stop at. */
const RAW_LINE_BREAKS = /[\u2028\u2029]/g;

/** One line holds one record whatever a key is made of. */
function toJson(value: object): string {
  return JSON.stringify(value).replace(RAW_LINE_BREAKS, (found) => `\\u${found.charCodeAt(0).toString(16)}`);
}

function encodeLine(json: string): string {
  return `${sumOf(json)} ${json}\n`;
}

function decodeJson(line: string): Record<string, unknown> | undefined {
  const json = line.slice(9);
  if (line[8] !== ' ' || sumOf(json) !== line.slice(0, 8)) return undefined;
  try {
    return JSON.parse(json) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

function sumOf(json: string): string {
  return crc32(json).toString(16).padStart(8, '0');
}
