import type { RawHeaders } from './exchange.js';
import { headerValue, headerValues } from './headers.js';

const ENTITY_TAG = /\s*(?:,|$|(W\/)?"([^"]*)"|([^\s,"]+))/gy;

/**
 * Whether If-None-Match asks for a 304 of content with this entity tag (quotes included). Compares weakly, knows `*`
 * (RFC 9110 section 13.1.2), and takes a digest without quotes, as registries do.
 */
export function isNotModified(headers: RawHeaders, etag: string): boolean {
  const lines = headerValues(headers, 'if-none-match');
  if (lines.length === 0) return false;
  const opaque = etag.replaceAll('"', '');
  return lines.some((line) => {
    if (line.trim() === '*') return true;
    return opaqueTags(line).includes(opaque);
  });
}

/**
 * Whether a Range header counts: there is no If-Range, or it holds exactly this strong entity tag. A date never
 * matches, because stored content keeps none (RFC 9110 section 13.1.5).
 */
export function ifRangeMatches(headers: RawHeaders, etag: string): boolean {
  const condition = headerValue(headers, 'if-range');
  return condition === undefined || condition.trim() === etag;
}

function opaqueTags(line: string): string[] {
  const tags: string[] = [];
  ENTITY_TAG.lastIndex = 0;
  while (ENTITY_TAG.lastIndex < line.length) {
    const match = ENTITY_TAG.exec(line);
    if (match === null) return [];
    const tag = match[2] ?? match[3];
    if (tag !== undefined) tags.push(tag);
  }
  return tags;
}
