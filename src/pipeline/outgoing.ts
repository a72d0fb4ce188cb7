import type { RawHeaders } from '../http/exchange.js';
import { stripHopByHop, withoutHeaders } from '../http/headers.js';
import { withVia } from '../http/via.js';

/** What a stored answer must not depend on: we ask for the whole content, unencoded, and answer conditions ourselves. */
const SHAPING_HEADERS = new Set([
  'accept-encoding',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'range',
]);

/** The client's own headers as they go upstream with a request that is passed on. */
export function forwardedHeaders(headers: RawHeaders, viaId: string): RawHeaders {
  return withVia(stripHopByHop(headers), viaId);
}

/** The client's own headers for a request whose answer we may store or answer from: always for the whole, plain content. */
export function wholeContentHeaders(headers: RawHeaders, viaId: string): RawHeaders {
  const plain = withoutHeaders(stripHopByHop(headers), SHAPING_HEADERS);
  return withVia([...plain, 'Accept-Encoding', 'identity'], viaId);
}
