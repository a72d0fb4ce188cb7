import { ProxyError } from '../errors.js';
import type { RawHeaders } from '../http/exchange.js';
import { contentLength, headerValues } from '../http/headers.js';

/** The head of an HTTP/1.1 answer, and how its body is framed. */
export interface ResponseHead {
  readonly status: number;
  readonly headers: RawHeaders;
  readonly framing: BodyFraming;
  /** Whether the connection may carry another request after this answer. */
  readonly reusable: boolean;
}

export type BodyFraming =
  | { readonly kind: 'length'; readonly bytes: number }
  | { readonly kind: 'chunked' }
  /** The body ends with the connection; whether it is whole, only its digest can tell. */
  | { readonly kind: 'close' };

export const MAX_HEAD_BYTES = 64 * 1024;

/** More header lines than this are an attack or a mistake (threats D17). */
const MAX_HEADER_LINES = 200;

const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9][0-9]{2})(?: [^\r\n\0]*)?$/;
const HEADER_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*?)[ \t]*$/;

function malformed(what: string): ProxyError {
  return new ProxyError('upstream-protocol', `the answer is not valid HTTP: ${what}`);
}

/**
 * Reads a head, without the empty line that ends it. Strict: what two parsers could read in two ways (a folded line,
 * a bare line feed, two lengths, a length beside chunks) throws `upstream-protocol` (RFC 9112 section 6.3, threats D16).
 */
export function parseResponseHead(text: string): ResponseHead {
  const [statusLine = '', ...lines] = text.split('\r\n');
  const status = STATUS_LINE.exec(statusLine);
  if (!status) throw malformed('its status line');
  if (lines.length > MAX_HEADER_LINES) throw malformed('it has too many headers');
  const headers: string[] = [];
  for (const line of lines) {
    const [, name, value] = HEADER_LINE.exec(line) ?? [];
    if (name === undefined || value === undefined) throw malformed('a header line');
    headers.push(name, value);
  }
  const code = Number(status[2]);
  const framing = framingOf(code, headers);
  const close = headerValues(headers, 'connection').some((value) => /\bclose\b/i.test(value));
  return { status: code, headers, framing, reusable: status[1] === '1' && !close && framing.kind !== 'close' };
}

function framingOf(status: number, headers: RawHeaders): BodyFraming {
  const encodings = headerValues(headers, 'transfer-encoding');
  const bytes = contentLength(headers);
  if (encodings.length > 0) {
    if (bytes !== undefined) throw malformed('it has both a length and a transfer encoding');
    if (encodings.length > 1 || encodings[0]?.toLowerCase() !== 'chunked') throw malformed('its transfer encoding');
    return { kind: 'chunked' };
  }
  if (status === 204 || status === 304 || status < 200) return { kind: 'length', bytes: 0 };
  return bytes === undefined ? { kind: 'close' } : { kind: 'length', bytes };
}
