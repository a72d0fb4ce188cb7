import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import type forge from 'node-forge';
import { ProxyError } from '../errors.js';
import { CLOCK_SKEW_MS, DAY_MS, distinguishedName, issueCertificate, MAX_COMMON_NAME } from './certificate.js';
import {
  authorityKeyIdentifier,
  KEY_USAGE,
  keyIdentifier,
  keyUsage,
  leafConstraints,
  serverAuth,
  subjectAltName,
  subjectKeyIdentifier,
} from './extensions.js';
import { hostAddress } from './host-address.js';
import type { Issuer } from './issuer.js';
import { toPem } from './pem.js';
import { signingKey } from './signing-key.js';

/** A server certificate for one host, with its key. */
export interface Leaf {
  /** The leaf, then what a server sends after it. */
  readonly certificatesPem: string;
  /** The private key, SEC1. All leaves of a process share it, and it never touches a disk. */
  readonly keyPem: string;
  /** ms epoch */
  readonly notBefore: number;
  readonly notAfter: number;
  /** Who signed it: SHA-256 of the issuer's certificate, as `AA:BB:…`. */
  readonly issuer: string;
  /** When to issue a new one in its place: after two thirds of its life. ms epoch */
  readonly renewAt: number;
}

/** From notBefore to notAfter. Both ends count (RFC 5280 section 4.1.2.5), so a second less than 90 days. */
const LIFE_MS = 90 * DAY_MS - 1000;

/** What fits into a dNSName, whatever wrote the host; its grammar is checked where the authority is read. */
const HOST = /^[\x21-\x7e]{1,253}$/;

/**
 * Makes the function that issues leaves below an issuer, with one new P-256 key for them all.
 *
 * @param chainPem what a server sends after the leaf
 */
export function createLeafIssuer(issuer: Issuer, chainPem: string): (host: string, now: number) => Leaf {
  const signer = signingKey(issuer.key);
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const publicKey = createPublicKey(privateKey);
  // OpenSSL parses this form faster than PKCS#8, and does so for every secure context.
  const keyPem = privateKey.export({ type: 'sec1', format: 'pem' }).toString();
  const constrained = [issuer.certificate, ...issuer.issuers].some(({ nameConstraints }) => nameConstraints);
  const commonExtensions = [
    leafConstraints(),
    keyUsage(KEY_USAGE.digitalSignature),
    serverAuth(),
    subjectKeyIdentifier(keyIdentifier(publicKey)),
    authorityKeyIdentifier(issuer.certificate.keyIdentifier),
  ];

  return function issueLeaf(host, now) {
    if (!HOST.test(host)) throw new ProxyError('bad-authority', 'a certificate needs a host name or an IP address');
    const { notBefore, notAfter, renewAt } = leafLife(now, issuer.notAfter);
    const commonName = fitsCommonName(host) ? host : undefined;
    const certificate = issueCertificate(
      {
        issuer: issuer.certificate.subject,
        subject: distinguishedName(commonName),
        notBefore,
        notAfter,
        publicKey,
        extensions: [...commonExtensions, hostName(host, commonName === undefined)],
      },
      signer,
    );
    const certificatesPem = toPem('CERTIFICATE', certificate) + chainPem;
    return { certificatesPem, keyPem, notBefore, notAfter, issuer: issuer.certificate.x509.fingerprint256, renewAt };
  };

  function fitsCommonName(host: string): boolean {
    // OpenSSL holds a CommonName that looks like a name against the constraints on names, an address too.
    if (constrained && hostAddress(host) !== undefined) return false;
    return host.length <= MAX_COMMON_NAME;
  }
}

/**
 * The dates of a leaf issued now, as ms epoch in whole seconds.
 *
 * @param authorityNotAfter when the CA certificate expires; no leaf outlives it
 */
export function leafLife(now: number, authorityNotAfter: number): Pick<Leaf, 'notBefore' | 'notAfter' | 'renewAt'> {
  if (now >= authorityNotAfter) {
    throw new ProxyError('internal', `the CA certificate expired on ${new Date(authorityNotAfter).toUTCString()}`);
  }
  const notBefore = Math.floor((now - CLOCK_SKEW_MS) / 1000) * 1000;
  const notAfter = Math.min(notBefore + LIFE_MS, authorityNotAfter);
  // A leaf that already ends with its CA would not get a longer life from being issued again.
  const renewAt = notAfter === authorityNotAfter ? notAfter : notBefore + Math.floor((LIFE_MS * 2) / 3);
  return { notBefore, notAfter, renewAt };
}

function hostName(host: string, critical: boolean): forge.asn1.Asn1 {
  const address = hostAddress(host);
  return address === undefined
    ? subjectAltName('dns', Buffer.from(host, 'latin1'), critical)
    : subjectAltName('ip', address, critical);
}
