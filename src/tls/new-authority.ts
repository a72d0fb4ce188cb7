import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { type PermittedName, parsePermittedName } from '../net/permitted-names.js';
import { CLOCK_SKEW_MS, DAY_MS, distinguishedName, issueCertificate } from './certificate.js';
import {
  authorityConstraints,
  authorityKeyIdentifier,
  KEY_USAGE,
  keyIdentifier,
  keyUsage,
  subjectKeyIdentifier,
} from './extensions.js';
import { constraintsOf, type NameConstraints, nameConstraints } from './name-constraints.js';
import { toPem } from './pem.js';
import type { ReadCertificate } from './read-certificate.js';
import { signingKey } from './signing-key.js';

/** Ten years. */
const ROOT_LIFE_MS = 3652 * DAY_MS;

/** From notBefore to notAfter, less a second since both ends count. */
const INTERMEDIATE_LIFE_MS = 90 * DAY_MS - 1000;

/** A new CA key and what has to stand in a file besides it. */
export interface NewAuthority {
  /** PKCS#8. */
  readonly keyPem: string;
  readonly certificatePem: string;
}

/** The constraints of a list as `--ca-name-constraints` has it; undefined for an empty one. Throws as `parsePermittedName`. */
export function constraintsFrom(list: readonly string[]): NameConstraints | undefined {
  const permitted: readonly PermittedName[] = list.map(parsePermittedName);
  return permitted.length === 0 ? undefined : constraintsOf(permitted);
}

/** A root for ten years that signs leaves itself. */
export function newAuthority(now: number, names: NameConstraints | undefined): NewAuthority {
  return newRoot(now, 0, names);
}

/** A root for ten years that signs one kind of certificate: intermediates. */
export function newOfflineRoot(now: number): NewAuthority {
  return newRoot(now, 1, undefined);
}

function newRoot(now: number, pathLength: 0 | 1, names: NameConstraints | undefined): NewAuthority {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const publicKey = createPublicKey(privateKey);
  const kind = pathLength === 0 ? 'CA' : 'root CA';
  const name = distinguishedName(`entrepot ${kind} ${randomBytes(4).toString('hex')}`);
  const certificate = issueCertificate(
    {
      issuer: name,
      subject: name,
      notBefore: now - CLOCK_SKEW_MS,
      notAfter: now + ROOT_LIFE_MS,
      publicKey,
      extensions: [
        authorityConstraints(pathLength),
        keyUsage(KEY_USAGE.keyCertSign, KEY_USAGE.cRLSign),
        subjectKeyIdentifier(keyIdentifier(publicKey)),
        ...(names === undefined ? [] : [nameConstraints(names)]),
      ],
    },
    signingKey(privateKey),
  );
  return { keyPem: pkcs8(privateKey), certificatePem: toPem('CERTIFICATE', certificate) };
}

/** A key for 90 days that signs leaves, below a root; no longer than the root lives. */
export function newIntermediate(
  now: number,
  root: { readonly key: KeyObject; readonly certificate: ReadCertificate },
  names: NameConstraints | undefined,
): NewAuthority {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const publicKey = createPublicKey(privateKey);
  const notBefore = now - CLOCK_SKEW_MS;
  const certificate = issueCertificate(
    {
      issuer: root.certificate.subject,
      subject: distinguishedName(`entrepot CA ${randomBytes(4).toString('hex')}`),
      notBefore,
      notAfter: Math.min(notBefore + INTERMEDIATE_LIFE_MS, Date.parse(root.certificate.x509.validTo)),
      publicKey,
      extensions: [
        authorityConstraints(),
        keyUsage(KEY_USAGE.keyCertSign, KEY_USAGE.cRLSign),
        subjectKeyIdentifier(keyIdentifier(publicKey)),
        authorityKeyIdentifier(root.certificate.keyIdentifier),
        ...(names === undefined ? [] : [nameConstraints(names)]),
      ],
    },
    signingKey(root.key),
  );
  return { keyPem: pkcs8(privateKey), certificatePem: toPem('CERTIFICATE', certificate) };
}

function pkcs8(key: KeyObject): string {
  return toPem('PRIVATE KEY', key.export({ type: 'pkcs8', format: 'der' }));
}
