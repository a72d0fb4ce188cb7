/** A stretch of bytes; both ends are offsets and both are part of it. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** What a Range header asks for: nothing we grant, nothing there is, or these stretches in the order they were asked for. */
export type RangeOutcome = 'whole' | 'unsatisfiable' | readonly ByteRange[];

/** A range before the size is known; `end` is undefined where the range is open. */
export interface OpenRange {
  readonly start: number;
  readonly end: number | undefined;
}

type RangeSpec = { readonly start: number; readonly end: number | undefined } | { readonly suffixBytes: number };

/** More ranges than any client needs (zstd:chunked asks for two or three) are a request for work, and get the whole body. */
const MAX_RANGES = 8;

const UNIT = /^bytes=(.*)$/i;
const INT_RANGE = /^([0-9]+)-([0-9]*)$/;
const SUFFIX_RANGE = /^-([0-9]+)$/;

/**
 * Reads a Range header against content of a known size (RFC 9110 section 14.1 and 14.2). An absent header, an unknown
 * unit, bad syntax, more than eight ranges, and more bytes than there are count as no header at all. Ranges that overlap
 * a little stay as they were sent.
 */
export function parseRange(value: string | undefined, sizeBytes: number): RangeOutcome {
  const specs = parseSpecs(value);
  if (specs === undefined) return 'whole';
  const ranges: ByteRange[] = [];
  for (const spec of specs) {
    const range = resolve(spec, sizeBytes);
    if (range !== undefined) ranges.push(range);
  }
  if (ranges.length > 0) return askForMoreThanThereIs(ranges, sizeBytes) ? 'whole' : ranges;
  // Every suffix fits an empty representation, but no Content-Range can say so.
  const emptySuffix = sizeBytes === 0 && specs.some((spec) => 'suffixBytes' in spec && spec.suffixBytes > 0);
  return emptySuffix ? 'whole' : 'unsatisfiable';
}

/** Ranges that overlap so much that their sum exceeds the content are a request for traffic (RFC 9110 section 14.2). */
function askForMoreThanThereIs(ranges: readonly ByteRange[], sizeBytes: number): boolean {
  return ranges.reduce((sum, { start, end }) => sum + end - start + 1, 0) > sizeBytes;
}

/** The one range of a header, for content whose size is not known yet; undefined for suffixes, several ranges and bad syntax. */
export function parseSingleRange(value: string | undefined): OpenRange | undefined {
  const specs = parseSpecs(value);
  const [spec] = specs ?? [];
  return specs?.length === 1 && spec !== undefined && !('suffixBytes' in spec) ? spec : undefined;
}

/** The value of Content-Range for a 206; `sizeBytes` undefined stands for a size nobody knows yet. */
export function contentRange(start: number, end: number, sizeBytes: number | undefined): string {
  return `bytes ${start}-${end}/${sizeBytes ?? '*'}`;
}

/** The value of Content-Range for a 416 (RFC 9110 section 15.5.17). */
export function unsatisfiedRange(sizeBytes: number): string {
  return `bytes */${sizeBytes}`;
}

function parseSpecs(value: string | undefined): readonly RangeSpec[] | undefined {
  const list = value === undefined ? undefined : UNIT.exec(value.trim())?.[1];
  if (list === undefined) return undefined;
  const specs: RangeSpec[] = [];
  for (const item of list.split(',')) {
    const text = item.trim();
    if (text === '') continue;
    const spec = parseSpec(text);
    if (spec === undefined || specs.length === MAX_RANGES) return undefined;
    specs.push(spec);
  }
  return specs.length === 0 ? undefined : specs;
}

function parseSpec(text: string): RangeSpec | undefined {
  const suffix = SUFFIX_RANGE.exec(text);
  if (suffix !== null) return { suffixBytes: saturated(suffix[1]) };
  const range = INT_RANGE.exec(text);
  if (range === null) return undefined;
  const start = saturated(range[1]);
  if (range[2] === '') return { start, end: undefined };
  const end = saturated(range[2]);
  return end < start ? undefined : { start, end };
}

function resolve(spec: RangeSpec, sizeBytes: number): ByteRange | undefined {
  const last = sizeBytes - 1;
  if ('suffixBytes' in spec) {
    if (spec.suffixBytes === 0 || sizeBytes === 0) return undefined;
    return { start: Math.max(0, sizeBytes - spec.suffixBytes), end: last };
  }
  return spec.start > last ? undefined : { start: spec.start, end: Math.min(spec.end ?? last, last) };
}

/** Digits beyond 2^53 mean "past any end", which the largest safe number says as well. */
function saturated(digits: string | undefined): number {
  return Math.min(Number(digits), Number.MAX_SAFE_INTEGER);
}
