import { ProxyError } from '../errors.js';
import type { RawHeaders } from './exchange.js';

/** Headers that belong to one connection and are never passed on (RFC 9110 section 7.6.1, and the Proxy-* pair of section 11.7). */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'proxy-authenticate',
  'proxy-authorization',
]);

/** Headers whose removal would change what a message means or who sent it; naming them in Connection is an attack, not a wish. */
const END_TO_END: ReadonlySet<string> = new Set([
  'authorization',
  'cache-control',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'cookie',
  'docker-content-digest',
  'etag',
  'host',
  'location',
  'range',
  'set-cookie',
  'via',
  'www-authenticate',
]);

/** Header lines from names and values, in the order they are written in. */
export function headersFrom(fields: Readonly<Record<string, string>>): string[] {
  const headers: string[] = [];
  for (const [name, value] of Object.entries(fields)) headers.push(name, value);
  return headers;
}

/** Whether a name is `wanted`, which is in lower case. Most are told apart by their length, which costs next to nothing. */
function isNamed(name: string, wanted: string): boolean {
  return name.length === wanted.length && (name === wanted || name.toLowerCase() === wanted);
}

/** The value of the first line with this name, in any case; undefined where there is none. */
export function headerValue(headers: RawHeaders, name: string): string | undefined {
  const wanted = name.toLowerCase();
  for (let i = 0; i + 1 < headers.length; i += 2) {
    if (isNamed(headers[i] as string, wanted)) return headers[i + 1];
  }
  return undefined;
}

/** Whether there is a line with this name, in any case. */
export function hasHeader(headers: RawHeaders, name: string): boolean {
  return headerValue(headers, name) !== undefined;
}

/** The values of all lines with this name, in the order of the wire. */
export function headerValues(headers: RawHeaders, name: string): string[] {
  const wanted = name.toLowerCase();
  const values: string[] = [];
  for (let i = 0; i + 1 < headers.length; i += 2) {
    if (isNamed(headers[i] as string, wanted)) values.push(headers[i + 1] as string);
  }
  return values;
}

/** All headers but those whose lower-case name is in `names`; the same array where none of them is there. */
export function withoutHeaders(headers: RawHeaders, names: ReadonlySet<string>): RawHeaders {
  if (!hasAnyOf(headers, names)) return headers;
  const kept: string[] = [];
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] as string;
    if (!names.has(name.toLowerCase())) kept.push(name, headers[i + 1] as string);
  }
  return kept;
}

function hasAnyOf(headers: RawHeaders, names: ReadonlySet<string>): boolean {
  for (let i = 0; i + 1 < headers.length; i += 2) {
    if (names.has((headers[i] as string).toLowerCase())) return true;
  }
  return false;
}

/** Headers in which exactly one line has this name: all others of the name are dropped, the new one stands last. */
export function setHeader(headers: RawHeaders, name: string, value: string): RawHeaders {
  return [...withoutHeaders(headers, new Set([name.toLowerCase()])), name, value];
}

/** The members of a comma-separated header over all its lines, trimmed and in lower case. Not for values with quoted strings. */
export function listTokens(headers: RawHeaders, name: string): string[] {
  const values = headerValues(headers, name);
  if (values.length === 0) return values;
  return values
    .flatMap((value) => value.split(','))
    .map((token) => token.trim().toLowerCase())
    .filter((token) => token !== '');
}

/** Whether a comma-separated header holds the token, in any case. */
export function hasToken(headers: RawHeaders, name: string, token: string): boolean {
  return listTokens(headers, name).includes(token.toLowerCase());
}

/**
 * The name of an end-to-end header that a Connection line asks to be dropped, or undefined. A client that names
 * Authorization or Content-Length there wants two parties to see two different messages: refuse it.
 */
export function endToEndConnectionOption(headers: RawHeaders): string | undefined {
  return listTokens(headers, 'connection').find((token) => END_TO_END.has(token));
}

/**
 * Drops what belongs to the connection: the fixed set of RFC 9110 section 7.6.1 and what Connection names, except
 * end-to-end headers, which stay. For requests and answers alike.
 */
export function stripHopByHop(headers: RawHeaders): RawHeaders {
  const tokens = listTokens(headers, 'connection');
  if (tokens.length === 0) return withoutHeaders(headers, HOP_BY_HOP);
  const named = tokens.filter((token) => !END_TO_END.has(token));
  return withoutHeaders(headers, named.length === 0 ? HOP_BY_HOP : new Set([...HOP_BY_HOP, ...named]));
}

/** A length that needs no second look: fifteen digits are within 2^53. */
const PLAIN_LENGTH = /^[0-9]{1,15}$/;

/**
 * The length in bytes that Content-Length announces; undefined where there is none. Several equal values count as one
 * (RFC 9110 section 8.6). Throws `upstream-protocol` for anything else than decimal digits within 2^53.
 */
export function contentLength(headers: RawHeaders): number | undefined {
  const lines = headerValues(headers, 'content-length');
  if (lines.length === 0) return undefined;
  const [only = ''] = lines;
  if (lines.length === 1 && PLAIN_LENGTH.test(only)) return Number(only);
  const values = lines.flatMap((value) => value.split(','));
  const lengths = new Set(values.map((value) => value.trim()));
  const [text] = lengths;
  const bytes = Number(text);
  if (lengths.size !== 1 || text === undefined || !/^[0-9]+$/.test(text) || !Number.isSafeInteger(bytes)) {
    throw new ProxyError('upstream-protocol', 'the Content-Length of the message is not valid');
  }
  return bytes;
}
