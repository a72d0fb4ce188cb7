import { createPublicKey, type KeyObject, type X509Certificate } from 'node:crypto';
import type { DetailedPeerCertificate } from 'node:tls';
import { parseCertificate } from './root-certificates.js';

/** More certificates than this follow one another in no honest chain. */
const MAX_CHAIN = 32;

/** Knows certificates that have to do with our own authority: with its key, or signed by it. */
export interface OwnAuthority {
  /** Whether the certificate (PEM or DER) holds a key of ours. What cannot be read does not. */
  hasOwnKey(certificate: string | Buffer): boolean;
  /** Whether the certificate, or one above it in the chain that the server sent, holds a key of ours or is signed with it. */
  isInChain(certificate: DetailedPeerCertificate): boolean;
}

/**
 * @param keys the public keys of our own authority, as SPKI DER; asked each time, because a CA can be replaced while
 *   the proxy runs
 */
export function createOwnAuthority(keys: () => readonly Buffer[]): OwnAuthority {
  const read = new WeakMap<Buffer, KeyObject>();

  function ownKeys(): readonly KeyObject[] {
    return keys().map((spki) => {
      const key = read.get(spki) ?? createPublicKey({ key: spki, type: 'spki', format: 'der' });
      read.set(spki, key);
      return key;
    });
  }
  function isOwnKey(certificate: X509Certificate): boolean {
    const key = keyOf(certificate);
    return key !== undefined && ownKeys().some((own) => own.equals(key));
  }
  function isSignedByUs(certificate: X509Certificate): boolean {
    return ownKeys().some((own) => isSignedWith(certificate, own));
  }
  return {
    hasOwnKey(certificate) {
      const parsed = parseCertificate(certificate);
      return parsed !== undefined && isOwnKey(parsed);
    },
    isInChain: (certificate) => chainOf(certificate).some((one) => isOwnKey(one) || isSignedByUs(one)),
  };
}

/** The certificate and those above it. A root is its own issuer, which ends the chain. */
function chainOf(leaf: DetailedPeerCertificate): readonly X509Certificate[] {
  const chain: X509Certificate[] = [];
  const seen = new Set<DetailedPeerCertificate>();
  let current: DetailedPeerCertificate | undefined = leaf;
  while (current?.raw && !seen.has(current) && seen.size < MAX_CHAIN) {
    seen.add(current);
    const parsed = parseCertificate(current.raw);
    if (parsed) chain.push(parsed);
    current = current.issuerCertificate;
  }
  return chain;
}

function isSignedWith(certificate: X509Certificate, own: KeyObject): boolean {
  try {
    return certificate.verify(own);
  } catch {
    // A signature of another kind than our key can make.
    return false;
  }
}

/** Undefined for a key of a kind that OpenSSL does not know. */
function keyOf(certificate: X509Certificate): KeyObject | undefined {
  try {
    return certificate.publicKey;
  } catch {
    return undefined;
  }
}
