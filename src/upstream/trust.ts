import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext, rootCertificates, type SecureContext } from 'node:tls';
import { ConfigError } from '../errors.js';

/** Where operating systems keep their roots in one file: Debian and Alpine, Fedora and RHEL, openSUSE, older RHEL. */
const SYSTEM_BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/cert.pem',
];

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

export interface TrustOptions {
  /** Files of further roots, from `--upstream-ca`. */
  readonly extraFiles: readonly string[];
  /** Public keys, as SPKI DER, of our own authority. What they signed is never accepted from an upstream (threats C04). */
  readonly ownKeys: readonly Buffer[];
  /** Overrides the operating system's files; for tests. */
  readonly systemBundles?: readonly string[];
}

/** What upstream connections check certificates against. */
export interface Trust {
  readonly context: SecureContext;
  readonly roots: number;
}

async function systemRoots(files: readonly string[]): Promise<readonly string[]> {
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch(() => '');
    const found = text.match(PEM_CERTIFICATE);
    if (found) return found;
  }
  // No bundle on this machine (a distroless image): the roots that came with Node are better than none.
  return rootCertificates;
}

async function extraRoots(file: string): Promise<readonly string[]> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new ConfigError([`--upstream-ca ${file} cannot be read: ${(error as Error).message}`]);
  });
  const found = text.match(PEM_CERTIFICATE);
  if (!found) throw new ConfigError([`--upstream-ca ${file} holds no PEM certificate`]);
  for (const pem of found) {
    if (!parsed(pem)) throw new ConfigError([`--upstream-ca ${file} holds a certificate that cannot be read`]);
  }
  return found;
}

function parsed(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

function isOwn(pem: string, ownKeys: readonly Buffer[]): boolean {
  const key = parsed(pem)?.publicKey.export({ type: 'spki', format: 'der' });
  return key !== undefined && ownKeys.some((own) => own.equals(key));
}

/**
 * Loads the roots for upstream connections: the operating system's and those of `--upstream-ca`, without our own CA,
 * which may well stand in the system's store. Throws ConfigError where a named file is of no use.
 */
export async function loadTrust(options: TrustOptions): Promise<Trust> {
  const system = await systemRoots(options.systemBundles ?? SYSTEM_BUNDLES);
  const extra = await Promise.all(options.extraFiles.map(extraRoots));
  const roots = [...system, ...extra.flat()].filter((pem) => !isOwn(pem, options.ownKeys));
  const context = createSecureContext({ ca: roots, minVersion: 'TLSv1.2' });
  return { context, roots: roots.length };
}
