import type { RawHeaders } from './exchange.js';
import { headerValue } from './headers.js';

/**
 * What Retry-After says (RFC 9110 section 10.2.3), seconds or a date, in milliseconds from `now` (ms epoch); undefined
 * where it says nothing sensible.
 */
export function retryAfterMs(headers: RawHeaders, now: number): number | undefined {
  const text = headerValue(headers, 'retry-after')?.trim() ?? '';
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  const date = /[A-Za-z]/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
