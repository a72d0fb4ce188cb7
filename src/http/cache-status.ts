import type { RawHeaders } from './exchange.js';

/** Why a request went upstream, in the words of RFC 9211 section 2.2. */
export type ForwardReason = 'bypass' | 'method' | 'uri-miss' | 'vary-miss' | 'miss' | 'request' | 'stale' | 'partial';

/** What this cache did with one request. Either `hit` or `fwd` is set. */
export interface CacheStatus {
  readonly hit?: boolean;
  readonly fwd?: ForwardReason;
  /** The upstream's status, where it differs from the one the client gets. */
  readonly fwdStatus?: number;
  readonly stored?: boolean;
  readonly collapsed?: boolean;
  readonly detail?: string;
}

const CACHE_NAME = 'entrepot';
const TOKEN = /^[A-Za-z*][A-Za-z0-9!#$%&'*+.^_`|~:/-]*$/;

/** One member of a Cache-Status list (RFC 9211), for the cache named `entrepot`. */
export function cacheStatus(status: CacheStatus): string {
  const parts: string[] = [CACHE_NAME];
  if (status.hit === true) parts.push('hit');
  if (status.fwd !== undefined) parts.push(`fwd=${status.fwd}`);
  if (status.fwdStatus !== undefined) parts.push(`fwd-status=${status.fwdStatus}`);
  if (status.stored === true) parts.push('stored');
  if (status.collapsed === true) parts.push('collapsed');
  if (status.detail !== undefined) parts.push(`detail=${item(status.detail)}`);
  return parts.join('; ');
}

/** Adds our member after those of the caches before us: the list runs from the origin to the client. */
export function withCacheStatus(headers: RawHeaders, status: CacheStatus): RawHeaders {
  return [...headers, 'Cache-Status', cacheStatus(status)];
}

/** A structured field item (RFC 8941): a token where the text is one, a string of printable ASCII otherwise. */
function item(text: string): string {
  if (TOKEN.test(text)) return text;
  return `"${text.replaceAll(/[^\x20-\x7e]/g, '?').replaceAll(/["\\]/g, String.raw`\$&`)}"`;
}
