/**
 * Everything that a log line may hold besides time, level and message. A field that is not in this table is dropped, so
 * no header, token, signed URL or password gets into a log by carelessness: those things have no field.
 */
const LOG_FIELDS = {
  /** The exchange's id, as in error bodies. */
  id: 'string',
  client: 'string',
  /** Who the client is by its password for this proxy; the name only. */
  user: 'string',
  registry: 'string',
  repository: 'string',
  reference: 'string',
  digest: 'string',
  kind: 'string',
  method: 'string',
  status: 'number',
  cache: 'string',
  reason: 'string',
  bytes: 'number',
  ms: 'number',
  upstreamMs: 'number',
  host: 'string',
  port: 'number',
  verdict: 'string',
  /** A FaultCode. */
  code: 'string',
  /** Who is to blame for a fault: downstream, upstream, internal. */
  source: 'string',
  /** The message of a fault; by contract it holds no credential and no signed URL. */
  error: 'string',
  /** A path of the local file system, never one of a request. */
  file: 'string',
  listen: 'string',
  adminListen: 'string',
  /** Address ranges of the configuration. */
  ranges: 'string',
  fingerprint: 'string',
  signal: 'string',
  count: 'number',
  version: 'string',
} as const;

type FieldTypes = { readonly string: string; readonly number: number };

export type LogFields = {
  readonly [Name in keyof typeof LOG_FIELDS]?: FieldTypes[(typeof LOG_FIELDS)[Name]] | undefined;
};

const TABLE = Object.entries(LOG_FIELDS);

const MAX_STRING_BYTES = 2048;
const TRUNCATION_MARK = '…';

/**
 * The allow-listed fields of `fields`, in the table's order. Unknown names and values of another type are dropped; a
 * string above 2 KiB of UTF-8 is cut and marked.
 */
export function pickLogFields(fields: LogFields): Record<string, string | number> {
  const picked: Record<string, string | number> = {};
  for (const [name, type] of TABLE) {
    const value: unknown = Object.hasOwn(fields, name) ? fields[name as keyof LogFields] : undefined;
    if (typeof value !== type) continue;
    picked[name] = typeof value === 'string' ? truncate(value) : (value as number);
  }
  return picked;
}

/** At most 2 KiB of UTF-8, cut between characters. */
export function truncate(text: string): string {
  // A UTF-16 unit takes at most three bytes of UTF-8, so most strings need no counting.
  if (text.length * 3 <= MAX_STRING_BYTES || Buffer.byteLength(text) <= MAX_STRING_BYTES) return text;
  const room = Buffer.alloc(MAX_STRING_BYTES - Buffer.byteLength(TRUNCATION_MARK));
  const { read } = new TextEncoder().encodeInto(text, room);
  return text.slice(0, read) + TRUNCATION_MARK;
}

// C0 and C1 controls, DEL, line separators and the marks that turn the direction of text around: what could forge a
// line or drive a terminal.
const UNPRINTABLE = /[\p{Cc}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** The text with everything that a terminal would obey written as `\u{…}`. */
export function escapeControls(text: string): string {
  return text.replace(UNPRINTABLE, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
}
