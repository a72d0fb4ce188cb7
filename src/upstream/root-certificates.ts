import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { rootCertificates } from 'node:tls';
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

/** The roots of the operating system, as PEM, unread: one that OpenSSL cannot take is left out later. */
export async function systemRoots(files: readonly string[] = SYSTEM_BUNDLES): Promise<readonly string[]> {
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch(() => '');
    const found = text.match(PEM_CERTIFICATE);
    if (found) return found;
  }
  // No bundle on this machine (a distroless image): the roots that came with Node are better than none.
  return rootCertificates;
}

/**
 * Reads the PEM certificates of a file that somebody named.
 * @param named what the file is called by: option or place of the configuration, and the path
 * @throws ConfigError where it cannot be read, holds no certificate, or one that is none
 */
export async function readCertificates(file: string, named: string): Promise<readonly string[]> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new ConfigError([`${named} cannot be read: ${(error as Error).message}`]);
  });
  const found = text.match(PEM_CERTIFICATE);
  if (!found) throw new ConfigError([`${named} holds no PEM certificate`]);
  if (!found.every(parseCertificate)) throw new ConfigError([`${named} holds a certificate that cannot be read`]);
  return found;
}

/** The certificate, or undefined for what is none. */
export function parseCertificate(certificate: string | Buffer): X509Certificate | undefined {
  try {
    return new X509Certificate(certificate);
  } catch {
    return undefined;
  }
}
