import { createHmac, timingSafeEqual } from 'node:crypto';
import { topology } from './topology.js';

const secret = 'lab';
const lifeMs = 60_000;

function signature(path: string, expiresAt: string): Buffer {
  return createHmac('sha256', secret).update(`${path}\n${expiresAt}`).digest();
}

/** An address at the CDN that is good for one minute. */
export function signUrl(path: string): string {
  const expiresAt = String(Date.now() + lifeMs);
  const signed = new URLSearchParams({ expires: expiresAt, signature: signature(path, expiresAt).toString('hex') });
  return `https://${topology.cdn.names[0]}${path}?${signed.toString()}`;
}

/** True for an unexpired address made by signUrl. */
export function isSigned(url: URL): boolean {
  const expiresAt = url.searchParams.get('expires') ?? '';
  const given = Buffer.from(url.searchParams.get('signature') ?? '', 'hex');
  const right = signature(url.pathname, expiresAt);
  return Number(expiresAt) > Date.now() && given.length === right.length && timingSafeEqual(given, right);
}
