import { X509Certificate } from 'node:crypto';
import { isCertificate, pemBlocks } from './pem.js';
import { type Authorities, offeredPem, signerAt } from './rotation.js';

/** The certificates that clients are to trust, as they are handed out. Never has a key. */
export interface Offer {
  /** The present one, and the coming one during a rotation. */
  readonly pem: string;
  /** The one below which leaves are signed now: this form holds one certificate only. */
  readonly der: Buffer;
  readonly derFingerprint: string;
  /** SHA-256 of each certificate of `pem` in its order, as `AA:BB:…`, with commas between them. */
  readonly fingerprints: string;
}

/** The header that names the fingerprints. It comes the same way as the certificate, so it proves nothing; it is for people to compare. */
export const FINGERPRINT_HEADER = 'X-Fingerprint-SHA256';

/** What to hand out at a time (ms epoch). */
export function offerOf(authorities: Authorities, now: number): Offer {
  const pem = offeredPem(authorities);
  const certificates = pemBlocks(pem)
    .filter(isCertificate)
    .map(({ text }) => new X509Certificate(text));
  const signer = signerAt(authorities, now);
  return {
    pem,
    der: new X509Certificate(signer.trustPem).raw,
    derFingerprint: signer.fingerprintSha256,
    fingerprints: certificates.map(({ fingerprint256 }) => fingerprint256).join(', '),
  };
}
