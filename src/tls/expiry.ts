import { DAY_MS } from './certificate.js';
import { type Authorities, signerAt } from './rotation.js';

/** How long before its end a certificate is spoken of. */
const WARNING_MS = 30 * DAY_MS;

export interface Expiry {
  /** When the certificate that signs now, or one above it, expires. ms epoch */
  readonly notAfter: number;
  readonly hasExpired: boolean;
  /** One sentence from 30 days before on; undefined earlier. */
  readonly warning: string | undefined;
}

/** What is to be said about the end of the authority that signs at a time (ms epoch). */
export function expiryOf(authorities: Authorities, now: number): Expiry {
  const { notAfter } = signerAt(authorities, now);
  const { next } = authorities;
  const isFollowed = next !== undefined && now < next.switchAt;
  const hasExpired = now >= notAfter;
  return {
    notAfter,
    hasExpired,
    warning: isFollowed && !hasExpired ? undefined : warningOf(notAfter, now, signerAt(authorities, now)),
  };
}

function warningOf(notAfter: number, now: number, { chainPem }: { readonly chainPem: string }): string | undefined {
  const date = new Date(notAfter).toISOString().slice(0, 10);
  if (now >= notAfter) return `the CA certificate expired on ${date}; ${remedy(chainPem)}`;
  if (now < notAfter - WARNING_MS) return undefined;
  const days = Math.floor((notAfter - now) / DAY_MS);
  const left = days === 0 ? 'within a day' : days === 1 ? 'in 1 day' : `in ${days} days`;
  return `the CA certificate expires ${left}, on ${date}; ${remedy(chainPem)}`;
}

/** An intermediate is renewed, a root rotated. */
function remedy(chainPem: string): string {
  return chainPem === ''
    ? 'run "entrepot ca rotate" and let the clients trust the new one'
    : 'run "entrepot ca renew", or put a new one into the folder';
}
